// Package gallery is the pictures that members have saved: three a day, each for 24 hours. It owns the bucket
// IMAGES_CACHE.
//
// A small record says which pictures somebody has saved on a day; every change of it is a compare-and-set. The bytes lie
// apart from it, under a name that is used once: they are written before the record names them and removed after it does
// not, so whatever stops in between leaves bytes that nobody finds and that expire with the rest.
//
// It looks at a picture's structure and never unpacks it, and writes no prompt into an error or a log.
package gallery
