// Package upstream has the parts that all calls to generation services share: the transport, the limits of a response,
// the table that classifies errors, and the redaction of error messages.
//
// A Caller sends a request once and passes a response with status 200 to a function that checks it. It never retries,
// sleeps, follows redirects or logs. Every failure is a *fault.Error that contains no key, no request URL and no text of
// a user.
package upstream
