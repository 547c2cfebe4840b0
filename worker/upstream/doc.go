// Package upstream is what every call to a generation service has in common: the transport, the limits of a response, the
// table that classifies errors, and the redaction of what they say.
//
// A Caller sends one request once and passes a good response on to be checked. It never retries, sleeps, follows redirects
// or logs; every failure is a *fault.Error that contains no key, no URL of a request and no text of a user.
package upstream
