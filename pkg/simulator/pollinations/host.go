// Package pollinations simulates gen.pollinations.ai, the current API of
// Pollinations: images, speech, chats, model lists and the account. The legacy
// hosts and the faults of the other upstreams build on it.
package pollinations

import (
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/content"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/chat"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
)

// The variations of the successful responses.
const (
	faultAcceptAudio = "accept_openai_audio" // the speech route accepts the model openai-audio
	faultBudgetedKey = "budgeted_key"        // the balance of a key with a budget
	faultRedacted    = "safety_redacted"     // the X-Safety headers of a redacted prompt
	faultFirstHit    = "first_hit"           // the request that starts a generation gets X-Cache: HIT too
)

type host struct{ buckets *kit.Buckets }

// New returns the host. It is the first of a kit.Server: it has no prefix.
func New(now func() time.Time) *kit.Host {
	h := &host{buckets: kit.NewBuckets(now, keyBurst, keyInterval)}
	faults := imageFaults()
	maps.Copy(faults, chat.Faults())
	maps.Copy(faults, kit.Variations(faultAcceptAudio, faultBudgetedKey, faultRedacted, faultFirstHit))
	return &kit.Host{
		Dialect: kit.DialectPollinations,
		Routes: []kit.Route{
			{Method: http.MethodGet, Path: "/image/models", Kind: kit.KindModels, Handle: listModels(imageObjects)},
			{Method: http.MethodGet, Path: "/image/*", Kind: kit.KindImage, Handle: imageByURL},
			{Method: http.MethodPost, Path: "/v1/images/generations", Kind: kit.KindImage, Handle: imageByBody},
			{Method: http.MethodPost, Path: "/v1/images/edits", Kind: kit.KindImage, Handle: imageByEdit},
			{Method: http.MethodGet, Path: "/audio/models", Kind: kit.KindModels, Handle: listModels(speechObjects)},
			{Method: http.MethodGet, Path: "/audio/*", Kind: kit.KindSpeech, Handle: speechByURL},
			{Method: http.MethodPost, Path: "/v1/audio/speech", Kind: kit.KindSpeech, Handle: speechByBody},
			{Method: http.MethodPost, Path: "/v1/chat/completions", Kind: kit.KindChat, Handle: completeChat},
			{Method: http.MethodGet, Path: "/v1/models", Kind: kit.KindModels, Handle: kit.JSON(false, modelIDs)},
			{Method: http.MethodGet, Path: "/models", Kind: kit.KindModels, Handle: listModels(imageObjects, speechObjects, textObjects)},
			{Method: http.MethodGet, Path: "/text/models", Kind: kit.KindModels, Handle: listModels(textObjects)},
			{Method: http.MethodGet, Path: "/account/balance", Kind: kit.KindAccount, Handle: kit.JSON(true, balance)},
		},
		Authorize:    h.authorize,
		WriteFailure: WriteFailure,
		Failures:     failures(),
		Faults:       faults,
	}
}

// imageFaults returns the images that stand for an error although the status is
// 200, and an image of the wrong size.
func imageFaults() map[string]kit.Fault {
	return map[string]kit.Fault{
		"error_picture": func(x *kit.Exchange) {
			x.SetHeaders(map[string]string{
				"X-Error-Type": "Internal Server Error", "X-Error-Status": "500", "X-Error-Message": "No active servers available",
			})
			x.SendImage(errorDrawing())
		},
		// Without headers: only its size, which is always the same, tells.
		"error_picture_bare":  func(x *kit.Exchange) { x.SendImage(errorDrawing()) },
		"error_picture_large": largeErrorImage,
		"error_picture_throttled": func(x *kit.Exchange) {
			x.SetHeaders(map[string]string{
				"X-Error-Type": "Too Many Requests", "X-Error-Status": "429", "X-Error-Message": "Queue full for IP", "X-Rate-Limited": "true",
			})
			x.SendImage(errorDrawing())
		},
		"wrong_size": func(x *kit.Exchange) {
			x.SendImage(content.Drawing{Prompt: "a picture of another size", Model: "zimage", Width: 640, Height: 448})
		},
	}
}

func errorDrawing() content.Drawing {
	return content.Drawing{Prompt: "Something went wrong. Please try again later.", Model: "error", Width: 1280, Height: 720}
}

// largeImageSize is the size of the placeholder that the legacy host was seen to
// serve.
const largeImageSize = 1_300_000

// largeErrorImage sends the error image padded to largeImageSize with comments of
// the JPEG, which decoders skip.
func largeErrorImage(x *kit.Exchange) {
	media, err := x.Server.Content.Image(x.Context(), errorDrawing())
	if err != nil {
		return // The client went away.
	}
	padding := make([]byte, largeImageSize-len(media.Bytes))
	for comment := range slices.Chunk(padding, 0xffff) {
		size := len(comment) - 2
		copy(comment, []byte{0xff, 0xfe, byte(size >> 8), byte(size)}) //nolint:gosec // Below 0xffff.
	}
	x.Send(http.StatusOK, media.ContentType, slices.Concat(media.Bytes[:2], padding, media.Bytes[2:]))
}
