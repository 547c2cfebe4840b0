// Package backup writes all data stored in NATS to one file while the system runs, and restores such a file into an empty
// NATS.
//
// # Contents of a backup
//
// A backup has one part for each stream on disk, taken by the JetStream snapshot API ($JS.API.STREAM.SNAPSHOT). A snapshot
// alone is not enough: it holds the messages up to the last sequence at its start, without those that were removed before the
// server read them. A key that is overwritten meanwhile, such as an account, would be missing: its old value is removed and its
// new one is too late. So the messages after the snapshot are read too, until the end of the stream at the time when the
// snapshot was complete. The backup then holds every message that the stream holds at that time. All other messages in it
// were in the stream at some time during the backup, and an older value of a key comes before the newer one, which replaces it
// when it is restored.
//
// # The order of the streams
//
// The streams are read one after the other while jobs run, and the order makes the parts consistent. The rule for two
// streams: the one that operation writes first is read last.
//
//   - BATCHES first, against the rule: the jobs of a batch that is in the backup are in the streams that follow, and what its record
//     says is still to be put into JOBS is put there after the restore, unless it is there.
//   - JOBS before all others. A job leaves JOBS only after its record is in RESULTS. A job that was accepted before the backup began is
//     therefore either in JOBS when that is read, or its record is in RESULTS when that is read later. A job may be in both: its
//     delivery after the restore finds the record, which is authoritative, and finishes the settlement. In the opposite order, a
//     job that ends between the two would be in neither.
//   - DEAD and USAGE after JOBS. A failed job gets its dead letter and its refund before it leaves JOBS, so a job that is
//     no longer in JOBS has both. For a job that is in JOBS, both steps are repeated; each is idempotent by the ID of the job.
//     Jobs are charged before they enter JOBS.
//   - SPEND after JOBS too, for the same reason: what a job has cost is counted before it leaves JOBS, and once.
//   - WEBHOOKS after JOBS too. The event of the end of a job is stored before the job leaves JOBS, and again for a job that is
//     in JOBS, unless it is stored. An event that was delivered after WEBHOOKS was read is delivered again after a restore, with
//     the same id.
//   - RESULTS after them. Media are written before the manifest and the record that refer to them, to the same stream.
//   - CACHE, FEEDBACK, IMAGES_CACHE and CONTROL are independent. An entry of CACHE may name a job that is not restored, and is then
//     replaced.
//   - USERS after everything that belongs to accounts. A deletion is recorded in USERS before any data is removed, and the
//     record stays for 15 minutes; the eraser finishes the deletion after a restore. A backup that takes longer may bring back
//     data of accounts that were deleted while it ran.
//   - RESET_TOKENS last. A token is marked as used before the account changes; the mark must not be older than the account.
//
// PROGRESS and USAGE_MINUTE are stored in memory and omitted: their loss does no harm. Consumers are omitted too. They are
// declared at the start and deliver every job in JOBS.
//
// Jobs submitted while a backup runs may or may not be in it.
package backup
