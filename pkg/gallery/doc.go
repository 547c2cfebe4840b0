// Package gallery stores the images that members have saved: three a day, each for 24 hours. It owns the bucket
// IMAGES_CACHE.
//
// An index lists the images of a member and day; every change of it is a compare-and-set. The bytes of an image are stored
// separately, under a key that is used once: they are written before the index lists them and removed after it no longer does. A
// crash in between leaves unreferenced bytes, which expire.
//
// It inspects the structure of images without decompressing them. Errors and logs contain no prompts.
package gallery
