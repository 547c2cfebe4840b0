// Package pollinations asks the Pollinations gateway for pictures and speech.
//
// It owns the gateway's routes and parameters and the checks on what comes back: a status of 200 proves nothing, so the
// content type, the first and last bytes, the length and the gateway's error headers are looked at before an answer
// counts. Every failure is an *upstream.Fault. The package never retries and never fetches an address out of an answer.
package pollinations
