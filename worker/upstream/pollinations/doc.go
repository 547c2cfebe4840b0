// Package pollinations asks Pollinations for images and speech, at the authenticated gateway or at the legacy services.
//
// It owns the routes and parameters of both generations, the rule of one call at a time that the older one has, the list
// of models, the speed of speech, and the checks on what comes back: a status of 200 proves nothing, so the content type,
// the first and last bytes, the length, the error headers and known error images are looked at before a response counts.
// Every failure is a *fault.Error. The package never retries and never fetches an address out of a response.
package pollinations
