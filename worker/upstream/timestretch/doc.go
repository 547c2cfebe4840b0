// Package timestretch changes the speed of speech without changing its pitch, by overlap-add with a search for similar
// waveforms (WSOLA).
//
// It also reads and writes WAV files of 16-bit samples. It does not support compressed audio.
package timestretch
