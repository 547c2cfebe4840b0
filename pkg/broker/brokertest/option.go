package brokertest

import (
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/internal/hooks"
)

// RequireKey makes the port require the key in DATA_DIR, as it does outside of tests.
func RequireKey(c *broker.Config) {
	c.SetHooks(func(h *hooks.Hooks) { h.OpenPort = false })
}

// AckWait sets how long a job may go without a heartbeat of its worker before it is redelivered.
func AckWait(d time.Duration) func(*broker.Config) {
	return func(c *broker.Config) { c.SetHooks(func(h *hooks.Hooks) { h.AckWait = d }) }
}

// ReconcileInterval sets the interval of the checks whether NATS still has everything.
func ReconcileInterval(d time.Duration) func(*broker.Config) {
	return func(c *broker.Config) { c.SetHooks(func(h *hooks.Hooks) { h.ReconcileInterval = d }) }
}

// RecentAge sets for how long broker.RecentLast uses what it has read. An hour shows every change that goes unnoticed.
func RecentAge(d time.Duration) func(*broker.Config) {
	return func(c *broker.Config) { c.SetHooks(func(h *hooks.Hooks) { h.RecentAge = d }) }
}

// MaxBatches sets how many atomic batches of a stream may be in progress.
func MaxBatches(n int) func(*broker.Config) {
	return func(c *broker.Config) { c.SetHooks(func(h *hooks.Hooks) { h.MaxBatches = n }) }
}

// GroupCommit uses group commit whatever the file system, if NATS_SYNC is always.
func GroupCommit(c *broker.Config) {
	c.SetHooks(func(h *hooks.Hooks) { h.GroupCommit = true })
}

// ObserveSyncs calls o for every fsync of group commit.
func ObserveSyncs(o broker.SyncObserver) func(*broker.Config) {
	return func(c *broker.Config) { c.SetHooks(func(h *hooks.Hooks) { h.SyncObserver = o }) }
}

// NoStopSync lets a stop leave the store unsynced, unless NATS_SYNC is always: a power failure after it may lose data.
func NoStopSync(c *broker.Config) {
	c.SetHooks(func(h *hooks.Hooks) { h.NoStopSync = true })
}
