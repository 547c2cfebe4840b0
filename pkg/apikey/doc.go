// Package apikey stores API keys: bearer tokens of programs, each with a name, scopes and limits of its own. A key of a member acts
// as the member; a key of the operator opens the operator's routes.
//
// Only a hash of each key is stored, in the bucket USERS under apikey.<kind>.<owner>.<id>. Processes remember the keys that they
// have seen for less than a second, so that a busy key costs one read per second, and a revoked key is rejected within a second
// by every process.
//
// The package is independent of HTTP. Errors and logs contain no key.
package apikey
