package gallery

import (
	"context"
	"errors"
	"slices"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

// ErrSuperseded is returned by Import when the member already has MaxImages later images of that day.
var ErrSuperseded = errors.New("the member has later images of that day")

// Import stores an image of another system with its ID and time; it expires 24 hours after that time. It returns false and
// changes nothing when the image is already present or was removed since an earlier import. It returns ErrSuperseded or the
// errors of Save. It costs the same as Save.
func (g *Gallery) Import(ctx context.Context, owner string, p Image, data []byte) (created bool, err error) {
	found, err := Inspect(data)
	if err != nil {
		return false, err
	}
	p.ExpiresAt = job.At(p.CreatedAt.Add(Age))
	day, imported := dayOf(p.CreatedAt.Time), newEntry(p, found)
	imported.Imported = true
	x, err := g.read(ctx, owner, day)
	if err != nil {
		return false, err
	}
	// Try the insertion first, so that bytes are not written in vain.
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

// insert inserts an imported image in the order of time, and returns the images that it evicts. It returns false when the image
// is present or was removed, and ErrSuperseded when there are MaxImages later ones.
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
