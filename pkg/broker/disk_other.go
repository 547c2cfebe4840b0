//go:build !linux && !darwin

package broker

// diskSpace is not known here.
func diskSpace(string) (free, size uint64) { return 0, 0 }
