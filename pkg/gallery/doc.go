// Package gallery stores the images that members have saved: three a day, each for 24 hours. It owns the bucket
// IMAGES_CACHE.
//
// A small index lists what somebody has saved on a day; every change of it is a compare-and-set. The bytes are stored apart
// from it, under a key that is used once: they are written before the index names them and removed after it does not. Whatever
// dies in between leaves bytes that nobody finds and that expire with the rest.
//
// It looks at the structure of an image and never decompresses it, and writes no prompt into an error or a log.
package gallery
