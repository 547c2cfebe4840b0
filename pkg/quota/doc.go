// Package quota counts what somebody asks for, by the minute and by the day, and refuses what is more than there is. The
// counters lie in NATS and change atomically, so that any number of processes share them.
//
// It knows people by a name that its caller has made unreadable, and nothing of HTTP.
package quota
