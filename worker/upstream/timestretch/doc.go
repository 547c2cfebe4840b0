// Package timestretch changes the speed of recorded speech without changing its pitch, by overlap-add with a search for
// similar waveforms (WSOLA).
//
// It also reads and writes WAV files of 16-bit samples. It never decodes or encodes compressed audio, and touches neither
// files nor the network.
package timestretch
