// Package hooks has what tests change in a broker and no installation does. Package brokertest sets it for the tests of other
// packages.
package hooks

import "time"

// Hooks change a broker in tests. The zero value changes nothing.
type Hooks struct {
	// OpenPort makes the port of the embedded server require no credentials.
	OpenPort bool
	// NoStopSync lets a stop leave the store unsynced, so that a power failure after it may lose data, unless every write is synced.
	NoStopSync bool
	// AckWait, ReconcileInterval, RemindInterval and RecentAge replace their defaults.
	AckWait, ReconcileInterval, RemindInterval, RecentAge time.Duration
	// MaxBatches replaces how many atomic batches of a stream may be in progress.
	MaxBatches int
	// GroupCommit uses group commit whatever the file system, and UnknownLayout takes the layout of the store for unknown.
	GroupCommit, UnknownLayout bool
	// SyncObserver, if not nil, receives every fsync of group commit besides the one in the configuration.
	SyncObserver interface {
		ObserveSync(stream, path string, bytes int64, took time.Duration)
	}
}
