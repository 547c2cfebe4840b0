// Package google implements sign-in with Google for a client: OpenID Connect's authorization code flow with PKCE, and the
// verification of ID tokens. It requests discovery document and keys when they are needed, so that nothing else waits while
// Google cannot be reached.
//
// It stores nothing of the people who sign in, and writes no code, token or address into an error.
package google
