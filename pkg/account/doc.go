// Package account stores the accounts of users: their records, passwords, session tokens, password resets and links to Google
// accounts. It owns the buckets USERS and RESET_TOKENS. It verifies the passwords and tokens of the Cloudflare system as well.
//
// It knows nothing of HTTP, and writes no address, password or token into an error or a log.
package account
