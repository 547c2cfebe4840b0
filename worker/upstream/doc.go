// Package upstream owns what every call to a generation service has in common: the transport, the bounds on a response,
// the table that says what an error means, and the words that may be told about it.
//
// A call goes through a Caller, which sends one request once and hands a good response on to be checked. It never retries,
// never sleeps, never follows a redirect and never logs; what went wrong comes back as a *fault.Error. Nothing that it
// says holds a key, a request's address or a user's text.
package upstream
