package gallery

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

// index is the stored list of the images of one member and day.
type index struct {
	V int `json:"v"`
	// Pictures are in the order of saving.
	Pictures []entry `json:"pictures"`
	// Removed lists imported images that were removed before they expired, so that a repeated import does not restore them.
	Removed []removed `json:"removed,omitempty"`
}

type entry struct {
	Image
	// Key is the key of the stored bytes. It is never reused.
	Key        string `json:"key"`
	ChunkBytes int    `json:"chunk_bytes"`
	Imported   bool   `json:"imported,omitempty"`
}

type removed struct {
	ID        string   `json:"id"`
	ExpiresAt job.Time `json:"expires_at"`
}

// check rejects an incomplete index, and with job.ErrNewer one of a newer version of the program.
func (x *index) check() error {
	switch {
	case x.V > job.Version:
		return job.ErrNewer
	case x.V < 1:
		return errors.New("no version")
	}
	for _, e := range x.Pictures {
		if e.ID == "" || e.Key == "" || e.ChunkBytes <= 0 || e.Bytes < 0 {
			return errors.New("incomplete")
		}
	}
	return nil
}

func hasID(id string) func(entry) bool { return func(e entry) bool { return e.ID == id } }

// hasSource matches the image with a Source. It matches nothing if source is "".
func hasSource(source string) func(entry) bool {
	return func(e entry) bool { return source != "" && e.Source == source }
}

// find returns the first image that matches.
func (x *index) find(matches func(entry) bool) (e entry, found bool) {
	if i := slices.IndexFunc(x.Pictures, matches); i >= 0 {
		return x.Pictures[i], true
	}
	return entry{}, false
}

// remove removes an image and reports whether it was present.
func (x *index) remove(id string) bool {
	i := slices.IndexFunc(x.Pictures, hasID(id))
	if i < 0 {
		return false
	}
	if x.Pictures[i].Imported {
		x.Removed = append(x.Removed, removed{id, x.Pictures[i].ExpiresAt})
	}
	x.Pictures = slices.Delete(x.Pictures, i, i+1)
	return true
}

// evict removes the oldest images beyond MaxImages and returns them.
func (x *index) evict() []entry {
	var evicted []entry
	for len(x.Pictures) > MaxImages {
		evicted = append(evicted, x.Pictures[0])
		x.remove(x.Pictures[0].ID)
	}
	return evicted
}

// dropExpired removes expired items.
func (x *index) dropExpired(now time.Time) {
	x.Pictures = slices.DeleteFunc(x.Pictures, func(e entry) bool { return !now.Before(e.ExpiresAt.Time) })
	x.Removed = slices.DeleteFunc(x.Removed, func(r removed) bool { return !now.Before(r.ExpiresAt.Time) })
}

// expires returns the latest expiry in the index.
func (x *index) expires() (last time.Time) {
	for _, e := range x.Pictures {
		last = later(last, e.ExpiresAt.Time)
	}
	for _, r := range x.Removed {
		last = later(last, r.ExpiresAt.Time)
	}
	return last
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// read returns the index of a member and day without expired images. It reads from the stream's leader, so that a member finds an
// image right after saving it.
func (g *Gallery) read(ctx context.Context, owner, day string) (*index, error) {
	e, err := g.indexes.Get(ctx, broker.ImagesSubject(owner, day))
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return nil, err
	}
	e.Value.dropExpired(g.now())
	return &e.Value, nil
}

// change edits an index and stores it. It retries on a concurrent write. It returns the error of edit, or ErrFull or
// kv.ErrConflict when nothing was written; after any other error the index may have been written.
func (g *Gallery) change(ctx context.Context, owner, day string, edit func(*index) error) error {
	var edited error
	_, err := g.indexes.Change(ctx, broker.ImagesSubject(owner, day), func(e *kv.Entry[index]) error {
		e.Value.V = job.Version
		e.Value.dropExpired(g.now())
		edited = edit(&e.Value)
		return edited
	})
	if err != nil || edited != nil {
		return err
	}
	return g.after(stepIndex)
}

// ttl returns the TTL of a message that expires at a time, in whole seconds as NATS requires.
func (g *Gallery) ttl(expires time.Time) time.Duration {
	d := expires.Sub(g.now())
	return min(Age, max(time.Second, (d+time.Second-1).Truncate(time.Second)))
}
