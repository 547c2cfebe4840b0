// Package account stores the accounts of users: their records, passwords, session tokens, password resets and links to Google
// accounts. It owns the buckets USERS and RESET_TOKENS. It also verifies passwords and tokens of the Cloudflare system.
//
// It is independent of HTTP. Errors and logs contain no address, password or token.
package account
