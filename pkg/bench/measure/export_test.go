//go:build linux

package measure

import (
	"context"
	"io"
	"time"
)

// Verify checks jobs by their IDs.
func Verify(ctx context.Context, url string, size int, ids ...string) error {
	c := newClient(url)
	defer c.close()
	jobs := make([]accepted, len(ids))
	for i, id := range ids {
		jobs[i].id = id
	}
	return c.verify(ctx, jobs, size)
}

// ReadEvents is readEvents.
func ReadEvents(body io.Reader) (time.Time, error) { return readEvents(body, func() {}) }

// Sum is sum.
func Sum(exposition io.Reader, name string) (float64, error) { return sum(exposition, name) }

// Medians is medians.
func Medians(runs ...[]Row) []Row { return medians(runs) }

// Percentile is percentile.
func Percentile(times []time.Duration, percent float64) time.Duration {
	return percentile(times, percent)
}
