// Package job is the domain: what a generation job is, which states it can be in, what a caller may ask for and
// what is stored about it. Every shape that lies in the queue, in the progress bucket or in the result bucket is
// defined here, once, and carries a version.
//
// It imports the standard library only and never talks to NATS, to HTTP or to an upstream.
package job
