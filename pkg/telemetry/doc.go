// Package telemetry is how the processes show what they do: the logger, the
// metrics with the listener that offers them, and the version of the program.
//
// It owns the names of all metrics and log attributes that several packages
// share. It never decides anything, holds no process-wide registry or logger, and
// no label of a metric ever carries a user's id, a job's id, a prompt or a raw
// path: each of those would make a series of its own.
package telemetry
