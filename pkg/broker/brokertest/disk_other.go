//go:build !linux

package brokertest

import (
	"os"
	"testing"
)

// FillDisk skips the test: it is implemented on Linux only.
func FillDisk(t testing.TB, _, _ string) {
	t.Helper()
	t.Skip("a full disk can be simulated on Linux only")
}

// HoldFull does nothing: it is implemented on Linux only.
func HoldFull(testing.TB, string) func() { return func() {} }

// inode is not known here: every block counts as the one that was synced.
func inode(os.FileInfo) uint64 { return 0 }
