// Package backup writes everything that is stored in NATS to one file while the system runs, and restores such a file into
// an empty NATS.
//
// # What a backup holds
//
// One part for each stream on disk, taken by the JetStream snapshot API ($JS.API.STREAM.SNAPSHOT). A snapshot alone is not
// enough: it holds the messages up to the last sequence at its start, less those that were removed before the server came
// to them. A key that is written again meanwhile, an account for instance, would be missing altogether: its old value is
// gone and its new one is too late. So the messages that were stored behind the snapshot are read until the end of the
// stream as it was when the snapshot was complete. Every message that the stream holds at that moment is then in the backup;
// what is there besides was in the stream at some time during the backup, and an older value of a key comes before the
// newer one, which replaces it when it is restored.
//
// # The order of the streams
//
// The streams are read one after the other while jobs run, and the order decides whether the parts fit together. A rule
// for two streams: what is written first in operation is read last.
//
//   - JOBS first. A job leaves JOBS only after its record is in RESULTS. A job that was accepted before the backup began is
//     therefore either in JOBS when that is read, or its record is in RESULTS when that is read later. A job may be in both: its
//     delivery after the restore finds the record, which holds, and finishes the settlement. The other way round a job that
//     ends between the two would be in neither.
//   - DEAD and USAGE after JOBS. A failed job gets its dead letter and its refund before it leaves JOBS, so that a job that is
//     no longer in JOBS has both. For one that still is, both steps are repeated; each is idempotent by the id of the job. Charges
//     are made before a job enters JOBS.
//   - RESULTS after them. Media are written before the manifest and the record that name them, to the same stream.
//   - FEEDBACK, IMAGES_CACHE and CONTROL stand alone.
//   - USERS behind everything that belongs to accounts. A deletion is noted in USERS before anything is removed and stays
//     there for a quarter of an hour; the eraser finishes it after a restore. A backup that takes longer than that may bring back
//     things of accounts that were deleted while it ran.
//   - RESET_TOKENS last. A token is marked as used before the account changes; the mark must not be older than the account.
//
// PROGRESS and USAGE_MINUTE lie in memory and are left out: their loss harms nothing. Consumers are left out too. They are
// declared again at the start and deliver every job that is in JOBS.
//
// What is submitted while a backup runs may be in it or not.
package backup
