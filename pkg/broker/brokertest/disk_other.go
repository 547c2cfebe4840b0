//go:build !linux

package brokertest

import "testing"

// FillDisk needs Linux.
func FillDisk(t testing.TB, _, _ string) {
	t.Helper()
	t.Skip("a full disk can be simulated on Linux only")
}

// HoldFull needs Linux.
func HoldFull(testing.TB, string) func() { return func() {} }
