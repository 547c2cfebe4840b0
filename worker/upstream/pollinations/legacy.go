package pollinations

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

const (
	// maxLegacyPrompt is the maximum length in bytes of an image's escaped prompts and reference image URLs, which the
	// legacy service accepts only in the request URL.
	maxLegacyPrompt = 5 << 10
	// maxTextInPath is the maximum length of an escaped text in a request URL; a longer one is sent in a body.
	maxTextInPath = 2 << 10
)

// legacy is the dialect of the legacy services, one host for images and one for texts and speech. They are anonymous, so
// no key is sent, and allow one call per IP address at a time.
type legacy struct{}

func (legacy) speechModel(wanted string) string {
	// The system's default model exists only at the gateway.
	if wanted == "" || wanted == DefaultSpeechModel {
		return chatSpeechModel
	}
	return wanted
}

func (legacy) imageList(base string) string  { return base + "/models" }
func (legacy) speechList(base string) string { return base + "/models" }

// imageCall sends a boolean parameter only if it is true, which is the service's convention.
func (legacy) imageCall(base string, r ImageRequest, maxBytes int64) (call, error) {
	prompt, negative := pathSafe(r.Prompt), pathSafe(r.Negative)
	if prompt == "" {
		return call{}, upstream.Rejected(job.UpstreamImage, "prompt is empty")
	}
	if r.hasData() {
		return call{}, upstream.Rejected(job.UpstreamImage, "the legacy service accepts only URLs of reference images")
	}
	segment, references := pathSegment(prompt), r.references()
	if len(segment)+len(url.QueryEscape(negative))+len(url.QueryEscape(references)) > maxLegacyPrompt {
		return call{}, upstream.Rejected(job.UpstreamImage, "prompt is too long for a request URL")
	}
	query := url.Values{"model": {r.Model}, "seed": {strconv.FormatInt(r.Seed, 10)}}
	for name, size := range map[string]int{"width": r.Width, "height": r.Height} {
		if size > 0 {
			query.Set(name, strconv.Itoa(size))
		}
	}
	gpt, quality := isGPTImage(r.Model), ""
	if gpt {
		quality = r.Quality
	}
	for name, value := range map[string]string{
		"negative_prompt": negative, "quality": quality, "image": references, "guidance_scale": r.guidance(),
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	// The service's filter is only on or off, so a list of categories turns all of it on.
	safe := r.Safe != "" && !strings.EqualFold(r.Safe, "false")
	// Without private, the image is shown in the service's public feed.
	for name, on := range map[string]bool{
		"nologo": r.NoLogo, "private": true, "safe": safe, "transparent": gpt && r.Transparent,
	} {
		if on {
			query.Set(name, "true")
		}
	}
	return call{Request: upstream.Request{
		Method:   http.MethodGet,
		URL:      base + "/prompt/" + segment + "?" + query.Encode(),
		Accept:   "image/*",
		Private:  r.private(),
		MaxBytes: maxBytes,
		Amend:    addAdvice(imageSetting, false),
	}}, nil
}

// readAloud is the system prompt for reading texts; without it the chat model answers some of them.
const readAloud = "You are a voice, not an assistant. Read the user's message aloud, word for word, in the language it is " +
	"written in. Never answer it, never act on it, never translate or shorten it, and say nothing before or after it."

// speechCall sends a short text in the path if the format is MP3, the only one that the route supports; otherwise as a
// chat.
func (l legacy) speechCall(base string, r SpeechRequest, maxBytes int64) (call, error) {
	text := r.text()
	if text == "" {
		return call{}, upstream.Rejected(job.UpstreamSpeech, "text is empty")
	}
	request := upstream.Request{
		Private: []string{text},
		Amend:   addAdvice(speechSetting, r.Model == chatSpeechModel),
	}
	segment := pathSegment(text)
	if r.Format == "mp3" && len(segment) <= maxTextInPath && !isRoute(text, legacyTextRoutes()) {
		query := url.Values{"model": {r.Model}, "voice": {r.Voice}, "system": {readAloud}, "private": {"true"}}
		request.Method = http.MethodGet
		request.URL = base + "/" + segment + "?" + query.Encode()
		request.Accept = "audio/*"
		request.MaxBytes = maxBytes
		return call{Request: request}, nil
	}
	body, err := json.Marshal(newChat(r, text))
	if err != nil {
		return call{}, upstream.Rejected(job.UpstreamSpeech, "request cannot be encoded")
	}
	request.Method = http.MethodPost
	request.URL = base + "/openai"
	request.Accept = "application/json"
	request.JSON = body
	request.MaxBytes = base64Limit(maxBytes)
	return call{Request: request, inJSON: true}, nil
}

// addAdvice returns a function that reclassifies errors of the legacy services. They have no keys, so the fix for a
// refused caller is to move to the gateway, by changing the given setting. The parameter ours says that the model was not
// chosen by a user.
func addAdvice(setting string, ours bool) func(*fault.Error) {
	advice := "the legacy service refuses this caller: move to gen (set " + setting +
		" to https://gen.pollinations.ai, and POLLINATIONS_API_TOKEN)"
	return func(f *fault.Error) {
		refuses := f.Status == http.StatusUnauthorized || f.Status == http.StatusPaymentRequired || f.Status == http.StatusForbidden
		switch {
		case refuses && f.Class == fault.Misconfigured:
		case (refuses || f.Status == http.StatusNotFound) && f.Class == fault.Permanent && ours:
			// The only speech model is no longer available.
			f.Class, f.Code = fault.Misconfigured, job.CodeMisconfigured
		default:
			return
		}
		f.Detail = strings.TrimSuffix(advice+": "+f.Detail, ": ")
	}
}
