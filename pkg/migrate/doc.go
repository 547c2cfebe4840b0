// Package migrate imports exports of the Cloudflare system that this one replaces: accounts, feedback and saved images, each
// exported as one KV namespace. Only this package contains the old formats; the stores offer Import methods, so that it can be
// removed together with `api import` once it is no longer needed.
//
// Imports are idempotent: existing entries stay unchanged. Where possible, only one entry of an export is in memory at a time.
// Errors and results do not quote entries.
package migrate
