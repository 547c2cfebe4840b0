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
	// maxListed bounds every list in a model, maxName the names in characters, and maxWord every other string in bytes.
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

// Model is one entry of a list. Fields that the list does not have are empty; the legacy services list little more than
// names.
type Model struct {
	Name    string
	Aliases []string
	Title   string
	Voices  []string
	// PaidOnly is set if a free balance cannot pay for the model.
	PaidOnly bool
	// Health is the state of the model in the service's words, such as "ok".
	Health string
	// MaxWidth and MaxHeight are the size of the largest image, MaxPixels its number of pixels.
	MaxWidth, MaxHeight, MaxPixels int
	// MaxReferenceImages is the number of reference images that the model accepts.
	MaxReferenceImages int
	// PerUserRPM is the number of calls per minute that one account may make.
	PerUserRPM int
	// Currency is the currency of the prices, such as "pollen".
	Currency string
	// Prices are the prices as written, by unit, such as "completionImageTokens".
	Prices map[string]string
	// Rates are the prices as numbers.
	Rates map[string]float64
	// PerImage is the price of an image; 0 if images are priced by tokens.
	PerImage float64
	// PerThousandCharacters is the price of a thousand characters of speech.
	PerThousandCharacters float64
}

// Models fetches the model lists of both services with two requests, without a key. It omits models for video, and for
// audio other than speech, as far as it recognizes them. If one list cannot be fetched, it returns a *fault.Error together
// with the other list.
func (c *Client) Models(ctx context.Context) (*Models, error) {
	if c.image.base == "" && c.speech.base == "" {
		return nil, upstream.Unset(job.UpstreamImage, imageSetting)
	}
	var models Models
	var imageErr, speechErr error
	var imageSkipped, speechSkipped int
	if c.image.base != "" {
		models.Image, imageSkipped, imageErr = c.image.list(ctx, c.image.dialect.imageList(c.image.base), makesImages)
	}
	if c.speech.base != "" {
		models.Speech, speechSkipped, speechErr = c.speech.list(ctx, c.speech.dialect.speechList(c.speech.base), makesSpeech)
	}
	models.Skipped = imageSkipped + speechSkipped
	return &models, errors.Join(imageErr, speechErr)
}

// list fetches a list and returns the models that match, and the number of skipped entries and parts.
func (s *service) list(ctx context.Context, url string, matches func(*wireModel) bool) (models []Model, skipped int, err error) {
	// The lists are public, so the key is not sent.
	caller := s.caller
	caller.Key = ""
	err = caller.Do(ctx, upstream.Request{
		Method: http.MethodGet, URL: url, Accept: "application/json", MaxBytes: maxListBytes,
	}, func(resp *upstream.Response) error {
		if resp.Compressed() {
			return upstream.InvalidResponse("response is compressed, although not requested")
		}
		body, err := resp.ReadAll()
		if err != nil {
			return err
		}
		entries, ok := readList(body)
		if !ok {
			return resp.UnexpectedError("response is not a list of models", body)
		}
		if models, skipped = filterModels(entries, matches); len(models) == 0 {
			return upstream.InvalidResponse("list contains no model")
		}
		return nil
	})
	return models, skipped, err
}

// filterModels returns the models that match, each name once, and the number of skipped entries and parts.
func filterModels(entries []wireModel, matches func(*wireModel) bool) (models []Model, skipped int) {
	known := make(map[string]bool, len(entries))
	for i := range entries {
		m, parts := entries[i].model()
		if m.Name == "" {
			skipped++
			continue
		}
		if known[m.Name] || !matches(&entries[i]) {
			continue
		}
		if len(models) == maxModels {
			break
		}
		known[m.Name] = true
		models, skipped = append(models, m), skipped+parts
	}
	return models, skipped
}

// makesImages reports whether a model makes images; one without a kind of output is assumed to. Vector models are excluded
// by their names, since the list has no other sign: their images are billed and never accepted.
func makesImages(w *wireModel) bool {
	m, _ := w.model()
	return w.makes("image") && !slices.ContainsFunc(append([]string{m.Name}, m.Aliases...), func(name string) bool {
		words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return strings.ContainsRune("/-_. ", r) })
		return slices.Contains(words, "vector")
	})
}

// makesSpeech reports whether a model makes speech. The same list has models for music and effects, which have no voices,
// and prices per second or per piece.
func makesSpeech(w *wireModel) bool {
	m, _ := w.model()
	return w.makes("audio") && (len(m.Voices) > 0 || m.PerThousandCharacters > 0 || len(m.Prices) == 0)
}
