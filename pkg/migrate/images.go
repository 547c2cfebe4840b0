package migrate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/text2image-audio/text2image-audio/pkg/gallery"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// Images imports an export of the namespace IMAGES_CACHE: the images that are less than 24 hours old, which keep their expiry.
// owners is the result of Owners: images of users without an account are skipped. It returns an error when the export is not a
// JSON array of entries or NATS has no room; the entries before stay imported.
func Images(ctx context.Context, to *gallery.Gallery, export io.Reader, owners map[string]string, now func() time.Time) (*Result, error) {
	i := imageImport{to: to, owners: owners, now: now, result: &Result{}}
	err := forEach(export, func(e entry) error {
		if err := i.add(ctx, e); err != nil {
			return fmt.Errorf("import entry %d: %w", e.Position, err)
		}
		return nil
	})
	return i.result, err
}

// imageImport is the state of an import of images.
type imageImport struct {
	to     *gallery.Gallery
	owners map[string]string
	now    func() time.Time
	result *Result
}

// add imports the images of one member and day, whose key is hd_images:<user>:<day>.
func (i *imageImport) add(ctx context.Context, e entry) error {
	key, isImages := strings.CutPrefix(e.Key, "hd_images:")
	if !isImages {
		i.result.Foreign++
		return nil
	}
	colon := strings.LastIndexByte(key, ':')
	if colon <= 0 {
		i.result.skip(e.Position, 0, "its key is not that of images")
		return nil
	}
	owner, known := i.owners[key[:colon]]
	if !known {
		i.result.skip(e.Position, 0, "its user has no account here")
		return nil
	}
	var images []json.RawMessage
	if json.Unmarshal(e.Value, &images) != nil {
		i.result.skip(e.Position, 0, "its value is not a JSON array")
		return nil
	}
	for n, raw := range images {
		reason, err := i.addImage(ctx, owner, raw)
		if err != nil {
			return err
		}
		i.result.skip(e.Position, n+1, reason)
	}
	return nil
}

// legacyImage is an image in the format of the old system.
type legacyImage struct {
	ID        string          `json:"id"`
	Prompt    string          `json:"prompt"`
	Data      string          `json:"data"`
	Seed      json.RawMessage `json:"seed"`
	Model     string          `json:"model"`
	Negative  string          `json:"negative"`
	CreatedAt job.Time        `json:"created_at"`
}

// maxClockSkew is how far the clock of the old system may have been ahead.
const maxClockSkew = 5 * time.Minute

// addImage imports one image, or returns why it is skipped.
func (i *imageImport) addImage(ctx context.Context, owner string, raw json.RawMessage) (reason string, err error) {
	var image legacyImage
	if json.Unmarshal(raw, &image) != nil {
		return "it is not the JSON of an image", nil
	}
	now := i.now()
	switch {
	case image.CreatedAt.IsZero():
		return "it has no time", nil
	case image.CreatedAt.After(now.Add(maxClockSkew)):
		return "its time is in the future", nil
	case !now.Before(image.CreatedAt.Add(gallery.Age)):
		i.result.Expired++
		return "", nil
	case utf8.RuneCountInString(image.Prompt) > job.MaxPrompt, utf8.RuneCountInString(image.Negative) > job.MaxPrompt, len(image.Model) > gallery.MaxModel:
		return "a text field is too long", nil
	}
	data, err := gallery.Decode(image.Data)
	if err == nil {
		_, err = gallery.Inspect(data)
	}
	if err != nil {
		return err.Error(), nil
	}
	created, err := i.to.Import(ctx, owner, gallery.Image{
		ID: image.id(), Prompt: image.Prompt, Negative: image.Negative, Seed: image.seed(), Model: image.Model, CreatedAt: image.CreatedAt,
	}, data)
	switch {
	case errors.Is(err, gallery.ErrSuperseded):
		return "the member has later images of that day", nil
	case err != nil:
		return "", err
	case created:
		i.result.Imported++
	default:
		i.result.Kept++
	}
	return "", nil
}

// id returns the ID of an imported image: its own if it is valid here, or else a hash that is the same for every import.
func (image *legacyImage) id() string {
	// Some routes have these words in place of an ID.
	reserved := []string{"save", "daily", "stats", "download"}
	if job.ValidToken(image.ID) && !slices.Contains(reserved, image.ID) {
		return image.ID
	}
	sum := sha256.Sum256([]byte(image.ID + "\n" + image.CreatedAt.String() + "\n" + image.Data))
	return "i-" + hex.EncodeToString(sum[:16])
}

// seed returns the seed, which may be a number or a string, or nil.
func (image *legacyImage) seed() *int64 {
	seed, err := strconv.ParseInt(strings.Trim(string(image.Seed), `"`), 10, 64)
	if err != nil {
		return nil
	}
	return &seed
}
