// Package processor runs jobs: it fetches a delivery from the queue, makes one attempt with a Generator, and then settles
// the job, schedules a retry or returns it to the queue.
//
// A retry is a delayed redelivery and occupies no slot. A job is acknowledged last, once its result and all follow-up
// writes are stored, so a worker may die at any point and the next delivery continues. The package calls no upstream
// itself: implementations of Generator do, and the class of their errors (package fault) decides what happens to the job.
package processor
