//go:build linux || darwin

package broker

import "syscall"

// diskSpace returns the bytes that the file system of a directory has free for this process and its size, or zeros if they
// are unknown.
func diskSpace(dir string) (free, size uint64) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil || s.Bsize <= 0 {
		return 0, 0
	}
	block := uint64(s.Bsize)
	return s.Bavail * block, s.Blocks * block
}
