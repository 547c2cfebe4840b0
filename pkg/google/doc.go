// Package google is the client's side of signing in with Google: OpenID Connect's code flow with PKCE, and the checks of
// an id_token. What it asks Google for it asks when it is needed, so that nothing else waits while Google cannot be
// reached.
//
// It keeps nothing of the people who sign in, and writes neither a code nor a token nor an address into an error.
package google
