// Package quota counts what guests and members request per minute and per day, and rejects what exceeds a limit. The counters
// are stored in NATS and change atomically, so that any number of processes can share them.
//
// It identifies users by names that its callers have anonymized. It is independent of HTTP.
package quota
