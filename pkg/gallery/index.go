package gallery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// index is what a member has saved on one day, as it is stored.
type index struct {
	V int `json:"v"`
	// Pictures stand in the order in which they came here.
	Pictures []entry `json:"pictures"`
	// Removed are imported pictures that are gone before their time: a repeated import does not bring them back.
	Removed []removed `json:"removed,omitempty"`
}

type entry struct {
	Picture
	// Key is under which the bytes lie, and never used again.
	Key        string `json:"key"`
	ChunkBytes int    `json:"chunk_bytes"`
	Imported   bool   `json:"imported,omitempty"`
}

type removed struct {
	ID        string   `json:"id"`
	ExpiresAt job.Time `json:"expires_at"`
}

// at returns the place of a picture, or −1.
func (x *index) at(id string) int {
	return slices.IndexFunc(x.Pictures, func(e entry) bool { return e.ID == id })
}

func (x *index) bySource(source string) *entry {
	for i := range x.Pictures {
		if source != "" && x.Pictures[i].Source == source {
			return &x.Pictures[i]
		}
	}
	return nil
}

// remove takes a picture out and reports whether it was there.
func (x *index) remove(id string) bool {
	i := x.at(id)
	if i < 0 {
		return false
	}
	if x.Pictures[i].Imported {
		x.Removed = append(x.Removed, removed{id, x.Pictures[i].ExpiresAt})
	}
	x.Pictures = slices.Delete(x.Pictures, i, i+1)
	return true
}

// pushOut takes the first pictures out until no more are left than may be, and returns them.
func (x *index) pushOut() []entry {
	var out []entry
	for len(x.Pictures) > MaxPictures {
		out = append(out, x.Pictures[0])
		x.remove(x.Pictures[0].ID)
	}
	return out
}

// forget takes out what has expired.
func (x *index) forget(now time.Time) {
	x.Pictures = slices.DeleteFunc(x.Pictures, func(e entry) bool { return !now.Before(e.ExpiresAt.Time) })
	x.Removed = slices.DeleteFunc(x.Removed, func(r removed) bool { return !now.Before(r.ExpiresAt.Time) })
}

// expires returns when nothing of it is needed any more.
func (x *index) expires() time.Time {
	var last time.Time
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

// decodeIndex reads a stored index. It fails with job.ErrNewer when a newer program wrote it.
func decodeIndex(data []byte) (*index, error) {
	var x index
	if err := json.Unmarshal(data, &x); err != nil {
		return nil, errors.New("decode saved pictures: not an index")
	}
	switch {
	case x.V > job.Version:
		return nil, fmt.Errorf("decode saved pictures: %w", job.ErrNewer)
	case x.V < 1:
		return nil, errors.New("decode saved pictures: no version")
	}
	for _, e := range x.Pictures {
		if e.ID == "" || e.Key == "" || e.ChunkBytes <= 0 || e.Bytes < 0 {
			return nil, errors.New("decode saved pictures: incomplete")
		}
	}
	return &x, nil
}

// read returns what a member has saved on a day, without what has expired, and its revision. It asks the stream's leader,
// so that whoever has just saved something finds it.
func (g *Gallery) read(ctx context.Context, owner, day string) (*index, uint64, error) {
	msg, err := broker.LeaderLast(ctx, g.js, broker.ImagesStream, broker.ImagesSubject(owner, day))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return &index{}, 0, nil
	case err != nil:
		return nil, 0, fmt.Errorf("read saved pictures: %w", err)
	case len(msg.Data) == 0:
		return &index{}, msg.Sequence, nil // The mark of one that has expired.
	}
	x, err := decodeIndex(msg.Data)
	if err != nil {
		return nil, 0, err
	}
	x.forget(g.now())
	return x, msg.Sequence, nil
}

var (
	errConflict = errors.New("changed meanwhile")
	// errUnchanged ends a change that turns out to be none.
	errUnchanged = errors.New("nothing to change")
)

const (
	// changeTimeout bounds how long a change is tried again because somebody else was faster.
	changeTimeout = 8 * time.Second
	// changePause is the longest pause between two tries. In a cluster a write is refused for as long as another one is on
	// its way.
	changePause = 20 * time.Millisecond
)

// change reads an index, has alter change it and stores it, again and again until nobody came in between. It fails with
// what alter fails with, with ErrFull, and with errConflict when nothing was written; any other error leaves open whether
// something was.
func (g *Gallery) change(ctx context.Context, owner, day string, alter func(*index) error) error {
	ctx, cancel := context.WithTimeout(ctx, changeTimeout)
	defer cancel()
	for {
		x, revision, err := g.read(ctx, owner, day)
		if err != nil {
			return err
		}
		if err := alter(x); err != nil {
			if errors.Is(err, errUnchanged) {
				return nil
			}
			return err
		}
		err = g.write(ctx, owner, day, x, revision)
		if !errors.Is(err, errConflict) {
			return err
		}
		timer := time.NewTimer(rand.N(changePause)) //nolint:gosec // A pause is no secret.
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("store saved pictures: %w: %w", errConflict, context.Cause(ctx))
		}
	}
}

func (g *Gallery) write(ctx context.Context, owner, day string, x *index, revision uint64) error {
	x.V = job.Version
	data, err := json.Marshal(x)
	if err != nil {
		return fmt.Errorf("encode saved pictures: %w", err)
	}
	_, err = g.js.Publish(ctx, broker.ImagesSubject(owner, day), data,
		jetstream.WithExpectLastSequencePerSubject(revision), jetstream.WithMsgTTL(g.left(x.expires())))
	if err := published(err); err != nil {
		return err
	}
	return g.after(StepIndex)
}

// left is how long something is to be stored, in whole seconds, as NATS wants it.
func (g *Gallery) left(until time.Time) time.Duration {
	d := until.Sub(g.now())
	return min(Age, max(time.Second, (d+time.Second-1).Truncate(time.Second)))
}

// published gives the answers to a publish their names.
func published(err error) error {
	if err == nil {
		return nil
	}
	if broker.Conflict(err) {
		return errConflict
	}
	if broker.NoRoom(err) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return fmt.Errorf("store saved pictures: %w", err)
}
