// Package batch accepts many jobs at once, as a whole or not at all, and reads and cancels them together. The jobs of a batch are
// ordinary jobs: everything else that is done with them is in package jobs.
//
// # How a batch is accepted
//
// Its jobs are stored as one value, and a record in the state "charging". Then the quota is charged, and the record becomes
// "accepting". From then on the batch is accepted: whatever dies, its jobs are put into the queue, by the process that accepts it, by a
// repeated request with its idempotency key, or by the sweeper of any process. Each is put there once: its id is fixed, and a job that is
// queued, has ended or was deleted is not put there again. Then the record becomes "accepted" and the stored jobs are removed.
//
// A record that is still "charging" after a crash is removed, and its charge reversed if it was made, which a mark shows that is
// written with the charge. Nobody was told that such a batch was accepted.
package batch
