package filestore

import (
	"slices"
	"syscall"
)

// orderedFileSystems write the data of a file before a rename that replaces another file by it: ext4 in its default mode, btrfs
// and ZFS. The numbers are those of statfs(2).
var orderedFileSystems = []int64{0xEF53, 0x9123683E, 0x2FC12FC1}

// OrdersRenames reports whether the file system of a directory is known to write the data of a file before a rename that
// replaces another file by it. The server compacts blocks by such a rename, without an fsync unless it syncs every write.
func OrdersRenames(dir string) bool {
	var s syscall.Statfs_t
	return syscall.Statfs(dir, &s) == nil && slices.Contains(orderedFileSystems, int64(s.Type)) //nolint:unconvert // Its size differs between platforms.
}
