// Package job is the domain: generation jobs and their states, the validation and completion of requests, and the stored formats.
// Every format in the queue, the progress bucket and the result bucket is defined here and has a version.
//
// It imports the standard library only and does no I/O.
package job
