package gallery

import (
	"context"
	"errors"
	"slices"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

// ErrSuperseded is returned by Import when a member has MaxImages later images of the day.
var ErrSuperseded = errors.New("the member has later images of that day")

// Import stores an image of another system, with the ID and the time that it has there; it expires 24 hours after that
// time. It reports false and changes nothing when the image is already present, or was removed here since. It fails with
// ErrSuperseded and with what Save fails with. It costs what Save does.
func (g *Gallery) Import(ctx context.Context, owner string, p Image, data []byte) (created bool, err error) {
	found, err := Inspect(data)
	if err != nil {
		return false, err
	}
	p.ExpiresAt = job.At(p.CreatedAt.Add(Age))
	day, imported := Day(p.CreatedAt.Time), newEntry(p, found)
	imported.Imported = true
	x, err := g.read(ctx, owner, day)
	if err != nil {
		return false, err
	}
	// Tried before the bytes are written, so that they are not written for nothing.
	unused, created, refused := x.insert(imported)
	if !created {
		return false, refused
	}
	if err := g.putBytes(ctx, owner, day, imported, found.Data); err != nil {
		return false, err
	}
	err = g.change(ctx, owner, day, func(x *index) error {
		if unused, created, refused = x.insert(imported); !created {
			unused = []entry{imported}
			return kv.ErrUnchanged
		}
		return nil
	})
	if err := g.removeUnused(ctx, owner, day, imported, unused, err); err != nil {
		return false, err
	}
	return created, refused
}

// insert puts an imported image before those that are later, and returns what it evicts. It reports false when the image is
// present or was removed, and fails with ErrSuperseded.
func (x *index) insert(e entry) (evicted []entry, inserted bool, err error) {
	if slices.ContainsFunc(x.Pictures, hasID(e.ID)) || slices.ContainsFunc(x.Removed, func(r removed) bool { return r.ID == e.ID }) {
		return nil, false, nil
	}
	place := len(x.Pictures)
	for place > 0 && x.Pictures[place-1].CreatedAt.After(e.CreatedAt.Time) {
		place--
	}
	if place == 0 && len(x.Pictures) >= MaxImages {
		return nil, false, ErrSuperseded
	}
	x.Pictures = slices.Insert(x.Pictures, place, e)
	return x.evict(), true, nil
}
