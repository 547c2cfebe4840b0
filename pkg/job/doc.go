// Package job is the domain: what a generation job is, which states it can have, what a caller may request, how a request is
// validated and completed, and what is stored. Every format in the queue, the progress bucket and the result bucket is defined
// here, once, and carries a version.
//
// It imports the standard library only and does no I/O.
package job
