//go:build !linux

package filestore

// OrdersRenames is not known here.
func OrdersRenames(string) bool { return false }
