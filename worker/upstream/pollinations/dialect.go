package pollinations

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

// The versions of the API; the values of POLLINATIONS_IMAGE_API_STYLE and POLLINATIONS_TEXT_API_STYLE.
const (
	StyleGen    = "gen"
	StyleLegacy = "legacy"
)

const (
	imageSetting       = "POLLINATIONS_IMAGE_API_BASE"
	speechSetting      = "POLLINATIONS_TEXT_API_BASE"
	imageStyleSetting  = "POLLINATIONS_IMAGE_API_STYLE"
	speechStyleSetting = "POLLINATIONS_TEXT_API_STYLE"
)

// chatSpeechModel is the only speech model of the legacy service. At the gateway it is only a chat model, which refuses
// to read texts.
const chatSpeechModel = "openai-audio"

// dialect encodes requests for one version of the API.
type dialect interface {
	// imageCall and speechCall fail if the request cannot succeed.
	imageCall(base string, r ImageRequest, maxBytes int64) (call, error)
	speechCall(base string, r SpeechRequest, maxBytes int64) (call, error)
	// speechModel returns the model to request for the given one.
	speechModel(wanted string) string
	// imageList and speechList return the URLs of the model lists.
	imageList(base string) string
	speechList(base string) string
}

// call is a request with the format of its response.
type call struct {
	upstream.Request
	// inJSON is set if the response has the media in a JSON document.
	inJSON bool
}

// parseBase parses a base URL. It may end in the path of a route, as was common for the legacy API.
func parseBase(setting, value string) (string, error) {
	return upstream.ParseBase(setting, value,
		"/v1", "/image", "/prompt", "/audio", "/text", "/images/generations", "/audio/speech", "/chat/completions", "/openai",
	)
}

// chooseDialect returns the dialect of the style or, if that is empty, of the host.
func chooseDialect(setting, style, base string) (dialect, error) {
	switch style {
	case StyleGen:
		return gateway{}, nil
	case StyleLegacy:
		return legacy{}, nil
	case "":
	default:
		return nil, fmt.Errorf("%s must be %s, %s or empty", setting, StyleGen, StyleLegacy)
	}
	u, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be derived from the URL", setting)
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if slices.Contains([]string{"image.pollinations.ai", "text.pollinations.ai"}, host) {
		return legacy{}, nil
	}
	return gateway{}, nil
}

// base64Limit returns the limit of a JSON document with maxBytes in base64.
func base64Limit(maxBytes int64) int64 { return maxBytes/3*4 + 64<<10 }
