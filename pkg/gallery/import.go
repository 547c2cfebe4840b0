package gallery

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/text2image-audio/text2image-audio/pkg/export"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// Import is what became of an export.
type Import struct {
	// Imported counts new pictures, and Kept those that were there already or have been removed since.
	Imported, Kept int
	// Expired counts the pictures whose 24 hours are over.
	Expired int
	// Foreign counts the entries of the same store that hold no pictures.
	Foreign int
	// Skipped are the pictures that could not be taken, and Unnamed counts those that are too many to be named.
	Skipped []Skipped
	Unnamed int
}

// Skipped is a picture of an export that was not taken. It holds nothing of what the export says.
type Skipped struct {
	// Entry and Picture count from 1, in the order of the export; Picture is 0 when the whole entry is meant.
	Entry, Picture int
	Reason         string
}

// maxReasons bounds how many pictures are named.
const maxReasons = 10_000

// imagesPrefix begins the keys under which the system before kept the pictures of a member and a day.
const imagesPrefix = "hd_images:"

// exportedPicture is a picture as the system before stored it.
type exportedPicture struct {
	ID        string          `json:"id"`
	Prompt    string          `json:"prompt"`
	Data      string          `json:"data"`
	Seed      json.RawMessage `json:"seed"`
	Model     string          `json:"model"`
	Negative  string          `json:"negative"`
	CreatedAt job.Time        `json:"created_at"`
}

// Import reads an export of the store of saved pictures, a JSON array of {name or key, value}, and takes what is not there
// yet and has time left, which it keeps. owners tells, by the ids of accounts, to whom their pictures belong; those of
// somebody whose account is not here are not taken. It may be repeated. It fails when the export is no such array, or NATS
// takes no more; what was imported until then stays.
func (g *Gallery) Import(ctx context.Context, from io.Reader, owners map[string]string) (*Import, error) {
	done := &Import{}
	err := export.Each(from, func(e export.Entry) error {
		if err := g.takeEntry(ctx, e, owners, done); err != nil {
			return fmt.Errorf("import entry %d: %w", e.Place, err)
		}
		return nil
	})
	return done, err
}

func (i *Import) skip(entry, picture int, reason string) {
	if len(i.Skipped) == maxReasons {
		i.Unnamed++
		return
	}
	i.Skipped = append(i.Skipped, Skipped{entry, picture, reason})
}

// takeEntry imports the pictures of one member and day.
func (g *Gallery) takeEntry(ctx context.Context, e export.Entry, owners map[string]string, done *Import) error {
	key, ours := strings.CutPrefix(e.Name, imagesPrefix)
	if !ours {
		done.Foreign++
		return nil
	}
	at := strings.LastIndexByte(key, ':')
	if at <= 0 {
		done.skip(e.Place, 0, "its key names no member and day")
		return nil
	}
	owner, known := owners[key[:at]]
	if !known {
		done.skip(e.Place, 0, "its user has no account here")
		return nil
	}
	var pictures []json.RawMessage
	if json.Unmarshal(e.Value, &pictures) != nil {
		done.skip(e.Place, 0, "its value is no JSON array")
		return nil
	}
	for i, raw := range pictures {
		reason, err := g.take(ctx, owner, raw, done)
		if err != nil {
			return err
		}
		if reason != "" {
			done.skip(e.Place, i+1, reason)
		}
	}
	return nil
}

// maxAhead is how far the clock of the system before may have been ahead.
const maxAhead = 5 * time.Minute

// take imports one picture, or says why not.
func (g *Gallery) take(ctx context.Context, owner string, raw json.RawMessage, done *Import) (reason string, err error) {
	var p exportedPicture
	if json.Unmarshal(raw, &p) != nil {
		return "it is not the JSON of a picture", nil
	}
	now := g.now()
	switch {
	case p.CreatedAt.IsZero():
		return "it has no time", nil
	case p.CreatedAt.After(now.Add(maxAhead)):
		return "its time has not come yet", nil
	case !now.Before(p.CreatedAt.Add(Age)):
		done.Expired++
		return "", nil
	case utf8.RuneCountInString(p.Prompt) > job.MaxPrompt, utf8.RuneCountInString(p.Negative) > job.MaxPrompt, len(p.Model) > MaxModel:
		return "its words are too long", nil
	}
	data, err := Decode(p.Data)
	if err != nil {
		return err.Error(), nil
	}
	found, err := Inspect(data)
	if err != nil {
		return err.Error(), nil
	}
	e := newEntry(Picture{
		ID: importedID(p), Prompt: p.Prompt, Negative: p.Negative, Seed: seedOf(p.Seed), Model: p.Model,
		CreatedAt: p.CreatedAt, ExpiresAt: job.At(p.CreatedAt.Add(Age)),
	}, found)
	e.Imported = true
	return g.add(ctx, owner, e, found.Data, done)
}

// add puts an imported picture among those of its day, where its time wants it.
func (g *Gallery) add(ctx context.Context, owner string, e entry, data []byte, done *Import) (reason string, err error) {
	day := Day(e.CreatedAt.Time)
	x, _, err := g.read(ctx, owner, day)
	if err != nil {
		return "", err
	}
	// Whoever looks first need not write the bytes for nothing.
	out, reason, known := x.insert(e)
	if !known && reason == "" {
		if err := g.putBytes(ctx, owner, day, e, data); err != nil {
			return "", err
		}
		err = g.change(ctx, owner, day, func(x *index) error {
			if out, reason, known = x.insert(e); known || reason != "" {
				out = []entry{e}
				return errUnchanged
			}
			return nil
		})
		if _, err := g.settle(ctx, owner, day, e, nil, out, err); err != nil {
			return "", err
		}
	}
	switch {
	case known:
		done.Kept++
	case reason == "":
		done.Imported++
	}
	return reason, nil
}

// insert puts an imported picture before those that are later, and returns what it pushes out; known says that it is, or
// was, there already, and reason why it cannot stay.
func (x *index) insert(e entry) (out []entry, reason string, known bool) {
	if x.at(e.ID) >= 0 || slices.ContainsFunc(x.Removed, func(r removed) bool { return r.ID == e.ID }) {
		return nil, "", true
	}
	place := len(x.Pictures)
	for place > 0 && x.Pictures[place-1].CreatedAt.After(e.CreatedAt.Time) {
		place--
	}
	if place == 0 && len(x.Pictures) >= MaxPictures {
		return nil, "the member has later ones of that day", false
	}
	x.Pictures = slices.Insert(x.Pictures, place, e)
	return x.pushOut(), "", false
}

// MaxModel bounds the name of a model, in bytes.
const MaxModel = 100

// reservedIDs are the words that stand in the place of an id in some route.
func reservedIDs() []string { return []string{"save", "daily", "stats", "download"} }

// importedID returns the id of an imported picture: its own, or a name that is the same at every import.
func importedID(p exportedPicture) string {
	if job.ValidToken(p.ID) && !slices.Contains(reservedIDs(), p.ID) {
		return p.ID
	}
	sum := sha256.Sum256([]byte(p.ID + "\n" + p.CreatedAt.String() + "\n" + p.Data))
	return "i-" + hex.EncodeToString(sum[:16])
}

// seedOf reads a seed, which may have been written as a text.
func seedOf(raw json.RawMessage) *int64 {
	seed, err := strconv.ParseInt(strings.Trim(string(raw), `"`), 10, 64)
	if err != nil {
		return nil
	}
	return &seed
}
