//go:build !linux && !darwin

package broker

// diskSpace returns zeros: it is not implemented for this system.
func diskSpace(string) (free, size uint64) { return 0, 0 }
