// Package processor works jobs: it fetches a delivery from the queue, makes one attempt with a Generator, and then settles
// the job, schedules a retry or returns it to the queue.
//
// A retry is a delayed redelivery and occupies no slot. A job is acknowledged last, once everything that follows from its
// end is stored, so a worker may die at any point and the next delivery continues. The package calls no upstream itself:
// implementations of Generator do, and the class of their errors (package error) decides what happens to the job.
package processor
