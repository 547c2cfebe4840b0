//go:build !linux

package brokertest

import "testing"

// FillDisk skips the test: it is implemented on Linux only.
func FillDisk(t testing.TB, _, _ string) {
	t.Helper()
	t.Skip("a full disk can be simulated on Linux only")
}

// HoldFull does nothing: it is implemented on Linux only.
func HoldFull(testing.TB, string) func() { return func() {} }
