// Package quota counts what guests and members request, by the minute and by the day, and refuses what exceeds a limit. The
// counters are stored in NATS and change atomically, so that any number of processes share them.
//
// It knows people only by names that its callers have anonymized, and nothing of HTTP.
package quota
