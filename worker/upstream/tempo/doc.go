// Package tempo changes how fast a recording is spoken without changing its pitch.
//
// It owns the reading and writing of WAV files of 16-bit samples and the stretching itself: short windows are taken from
// the recording at another pace than they are put down, each from the place near its due one that goes on best where the
// last one ended. It never decodes or encodes compressed sound, and never touches files or the network.
package tempo
