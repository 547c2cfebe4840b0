// Package store owns how jobs go and how they ended: the bucket of progress, the bucket of results with the media, and
// the stream of dead letters.
//
// A terminal record is written once, by Create: whoever comes second is told so and drops its own. Media are fenced the
// same way: their bytes lie under their own hash and their manifest is created once.
package store
