package pollinations

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

// The bounds on a list of models.
const (
	maxListBytes = 2 << 20
	maxModels    = 500
	// maxListed bounds every list inside a model, maxName the names in characters, and maxWord every other word in bytes.
	maxListed = 500
	maxName   = 100
	maxWord   = 200
)

// Models are the model lists of both services.
type Models struct {
	Image, Speech []Model
	// Skipped counts the invalid entries and parts of entries that were left out.
	Skipped int
}

// Model is one entry of a list. What the list does not say is empty; the legacy services give names and little else.
type Model struct {
	Name        string
	Aliases     []string
	Title       string
	Description string
	Voices      []string
	// PaidOnly says that a free balance does not pay for this model.
	PaidOnly bool
	// Health is the service's own word for the state of the model, such as "ok".
	Health string
	// MaxWidth and MaxHeight are those of the largest image, MaxPixels their product where only that is told.
	MaxWidth, MaxHeight, MaxPixels int
	// MaxReferenceImages is how many reference images the model accepts.
	MaxReferenceImages int
	// PerUserRPM is the number of calls a minute for one account.
	PerUserRPM int
	// Currency is that of the prices, such as "pollen".
	Currency string
	// Prices are the decimal numbers as written, by unit, such as "completionImageTokens".
	Prices map[string]string
	// Rates are the same numbers without the invalid ones.
	Rates map[string]float64
	// PerImage is the price of one image, where images are not priced by tokens.
	PerImage float64
	// PerThousandCharacters is the price of reading that much text.
	PerThousandCharacters float64
}

// Models fetches the model lists of both services, without a key. Models for video, and for audio other than speech, are
// left out as far as they are recognized. It costs two requests. If one list cannot be fetched it fails with a
// *fault.Error and still returns the other list.
func (c *Client) Models(ctx context.Context) (*Models, error) {
	if c.image.base == "" && c.speech.base == "" {
		return nil, upstream.Unset(job.UpstreamImage, imageSetting)
	}
	var models Models
	var imageErr, speechErr error
	var imageOdd, speechOdd int
	if c.image.base != "" {
		models.Image, imageOdd, imageErr = c.image.list(ctx, c.image.dialect.imageList(c.image.base), makesImages)
	}
	if c.speech.base != "" {
		models.Speech, speechOdd, speechErr = c.speech.list(ctx, c.speech.dialect.speechList(c.speech.base), makesSpeech)
	}
	models.Skipped = imageOdd + speechOdd
	return &models, errors.Join(imageErr, speechErr)
}

// list fetches a list and keeps the models that fit, and counts what is odd in it.
func (s *service) list(ctx context.Context, address string, fits func(*wireModel) bool) (models []Model, odd int, err error) {
	// The lists are public, so the key is not sent.
	caller := s.caller
	caller.Key = ""
	err = caller.Do(ctx, upstream.Request{
		Method: http.MethodGet, URL: address, Accept: "application/json", MaxBytes: maxListBytes,
	}, func(a *upstream.Response) error {
		if a.Compressed() {
			return upstream.InvalidResponse("response is compressed, which was not asked for")
		}
		body, err := a.ReadAll()
		if err != nil {
			return err
		}
		entries, is := readList(body)
		if !is {
			return a.UnexpectedError("response is no list of models", body)
		}
		if models, odd = filterModels(entries, fits); len(models) == 0 {
			return upstream.InvalidResponse("list holds no model")
		}
		return nil
	})
	return models, odd, err
}

// filterModels returns the models that match, each name once, and counts what was skipped.
func filterModels(entries []wireModel, fits func(*wireModel) bool) (models []Model, odd int) {
	known := make(map[string]bool, len(entries))
	for i := range entries {
		m, strange := entries[i].model()
		if m.Name == "" {
			odd++
			continue
		}
		if known[m.Name] || !fits(&entries[i]) {
			continue
		}
		if len(models) == maxModels {
			break
		}
		known[m.Name] = true
		models, odd = append(models, m), odd+strange
	}
	return models, odd
}

// makesImages reports whether a model makes images. One that does not say so is trusted to be in the right list. Vector
// models are excluded by name, since the list says no more: their images are never accepted, and are billed.
func makesImages(w *wireModel) bool {
	m, _ := w.model()
	return w.makes("image") && !slices.ContainsFunc(append([]string{m.Name}, m.Aliases...), func(name string) bool {
		words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return strings.ContainsRune("/-_. ", r) })
		return slices.Contains(words, "vector")
	})
}

// makesSpeech reports whether a model reads texts. Models for music and effects are in the same list; they have no
// voices, and prices by the second or by the piece.
func makesSpeech(w *wireModel) bool {
	m, _ := w.model()
	return w.makes("audio") && (len(m.Voices) > 0 || m.PerThousandCharacters > 0 || len(m.Prices) == 0)
}
