// Package weak lets tests hash passwords with few iterations. Only package accounttest sets it.
package weak

import "sync/atomic"

// Allowed disables the minimum of PBKDF2_ITERATIONS in this process.
var Allowed atomic.Bool
