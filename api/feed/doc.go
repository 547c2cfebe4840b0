// Package feed turns the stored writes about jobs into live events for any number of readers. Each watched job costs
// one core subscription in this process, whatever the number of its readers, and never a JetStream consumer.
//
// Events may be lost on the way, so nothing depends on them alone: every watched job is read again from time to time.
// A reader that does not keep up is dropped and resumes with a new snapshot.
package feed
