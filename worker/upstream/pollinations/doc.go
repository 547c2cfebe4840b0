// Package pollinations asks Pollinations for pictures and speech, at the authenticated gateway or at the older services.
//
// It owns the routes and parameters of both generations, the rule of one call at a time that the older one has, the list
// of models, the speed of speech, and the checks on what comes back: a status of 200 proves nothing, so the content type,
// the first and last bytes, the length, the error headers and known error pictures are looked at before an answer counts.
// Every failure is an *fault.Error. The package never retries and never fetches an address out of an answer.
package pollinations
