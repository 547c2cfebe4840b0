// Package pollinations generates images and speech with Pollinations, at the authenticated gateway or at the legacy
// services.
//
// It has the routes and parameters of both, the gate for the legacy services, the list of models and the speed of speech.
// A status of 200 does not mean success, so it checks the content type, the first and last bytes, the length, error
// headers and known error images. Every failure is a *fault.Error. It never retries and never fetches a URL from a
// response.
package pollinations
