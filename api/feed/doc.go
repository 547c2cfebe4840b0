// Package feed turns writes to the streams of jobs into live events. While any job is watched, one core NATS subscription receives
// the events of all jobs and passes each to the readers of its job and its owner; there is no JetStream consumer. A watched job
// costs no goroutine and no subscription of its own.
//
// Events can be lost, so every watched job is also reread periodically, and at once after a reconnection to NATS. A reader that lags
// behind gets the newest states: each event is the whole job. One that lags far behind is dropped; its client resumes with a
// new snapshot.
package feed
