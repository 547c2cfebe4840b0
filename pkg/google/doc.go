// Package google implements sign-in with Google: OpenID Connect's authorization code flow with PKCE, and the verification of ID
// tokens. It fetches the discovery document and the keys on demand, so that a start does not depend on Google.
//
// It stores nothing about users. Errors contain no code, token or address.
package google
