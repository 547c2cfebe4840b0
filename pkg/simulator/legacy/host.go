// Package legacy simulates the two old hosts of Pollinations: image.pollinations.ai
// and text.pollinations.ai. They need no key and run one generation per client
// address at a time.
package legacy

import (
	"net/http"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
)

// The paths below which the hosts are served.
const (
	ImagePrefix = "/legacy-image"
	TextPrefix  = "/legacy-text"
)

// The variations of the legacy hosts.
const (
	faultDeprecated = "legacy_deprecated" // the hosts announce their end
	faultToken401   = "legacy_token_401"  // the hosts reject requests with a token
	faultToken402   = "legacy_token_402"  // the same with another status
	faultToken403   = "legacy_token_403"  // the same with another status
)

// New returns the image host and the text host.
func New(now func() time.Time) (images, texts *kit.Host) {
	queue := kit.NewAddressQueue(now)
	anyKey := func(*kit.Exchange) bool { return true }
	images = &kit.Host{
		Dialect: kit.DialectLegacyImage, Prefix: ImagePrefix, BasePath: ImagePrefix,
		Routes: []kit.Route{
			{Method: http.MethodGet, Path: "/models", Kind: kit.KindModels, Handle: kit.JSON(false, imageModels)},
			{Method: http.MethodGet, Path: "/prompt/*", Kind: kit.KindImage, Handle: image},
			{Method: http.MethodGet, Path: "/*", Kind: kit.KindImage, Handle: imageShort},
		},
		Authorize: anyKey, WriteFailure: writeImageFailure, NotFound: notFound, Intercept: rejectToken, Queue: queue, Busy: busy,
		Failures: imageFailures(), Faults: kit.Variations(faultDeprecated, faultToken401, faultToken402, faultToken403),
	}
	texts = &kit.Host{
		Dialect: kit.DialectLegacyText, Prefix: TextPrefix, BasePath: TextPrefix,
		Routes: []kit.Route{
			{Method: http.MethodGet, Path: "/models", Kind: kit.KindModels, Handle: kit.JSON(false, textModels)},
			{Method: http.MethodGet, Path: "/openai/models", Kind: kit.KindModels, Handle: kit.JSON(false, modelIDs)},
			{Method: http.MethodGet, Path: "/*", Kind: kit.KindChat, Handle: textByURL},
			{Method: http.MethodPost, Path: "", Kind: kit.KindChat, Handle: textByBody},
			{Method: http.MethodPost, Path: "/", Kind: kit.KindChat, Handle: textByBody},
			{Method: http.MethodPost, Path: "/openai", Kind: kit.KindChat, Handle: completeChat},
			{Method: http.MethodPost, Path: "/openai/*", Kind: kit.KindChat, Handle: completeChat},
			{Method: http.MethodPost, Path: "/v1/chat/completions", Kind: kit.KindChat, Handle: completeChat},
		},
		Authorize: anyKey, WriteFailure: writeTextFailure, Intercept: rejectToken, Queue: queue, Busy: busy, Failures: textFailures(),
	}
	return images, texts
}
