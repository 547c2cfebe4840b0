// Package processor works jobs: it takes a delivery from the queue, makes one attempt with a Generator, and settles,
// retries or hands the job back.
//
// A retry is a redelivery: nobody sleeps holding a slot. A job is acknowledged last, when all that follows from its end
// is stored, so a worker may die at any point and the next delivery goes on from there.
package processor
