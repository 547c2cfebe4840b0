// Package account is the people who have signed up: their records, passwords, tokens and password resets. It owns the
// buckets USERS and RESET_TOKENS, and it reads what the system that this one replaces has stored and signed.
//
// It knows nothing of HTTP, and it writes neither an address nor a password nor a token into an error or a log.
package account
