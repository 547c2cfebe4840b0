// Package feed turns writes to the streams of jobs into live events. Each watched job costs one core NATS subscription in
// this process, regardless of its number of readers, and no JetStream consumer.
//
// Events can be lost, so every watched job is also reread periodically. A reader that does not keep up is dropped; its client
// resumes with a new snapshot.
package feed
