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
	// maxLegacyWords bounds the escaped words of an image at the legacy service, the URLs of reference images
	// included, in bytes: they travel in the URL and nowhere else.
	maxLegacyWords = 5 << 10
	// maxTextInPath bounds the escaped text that is read from the URL; a longer one travels in a body.
	maxTextInPath = 2 << 10
)

// legacy is the dialect of the legacy services, one host for images and one for texts and speech. They serve only
// anonymous callers, so no key is sent, and one call per IP address at a time.
type legacy struct{}

func (legacy) speechModel(wanted string) string {
	// The default of the whole system is a name that only the gateway knows.
	if wanted == "" || wanted == DefaultSpeechModel {
		return chatSpeechModel
	}
	return wanted
}

func (legacy) imageList(base string) string  { return base + "/models" }
func (legacy) speechList(base string) string { return base + "/models" }

// imageCall sends boolean parameters only when they are true, since anything but "true" means false.
func (legacy) imageCall(base string, r ImageRequest, maxBytes int64) (call, error) {
	prompt, negative := pathSafe(r.Prompt), pathSafe(r.Negative)
	if prompt == "" {
		return call{}, rejected(job.UpstreamImage, "prompt is empty")
	}
	segment, references := pathSegment(prompt), r.references()
	if len(segment)+len(url.QueryEscape(negative))+len(url.QueryEscape(references)) > maxLegacyWords {
		return call{}, rejected(job.UpstreamImage, "prompt is too long for the URL that it must travel in")
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
	// It knows its filter as on or off only; whoever wants to be safe from something gets the whole of it.
	safe := r.Safe != "" && !strings.EqualFold(r.Safe, "false")
	// Without the switch private an image is shown in the service's public feed.
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

// readAloud is the system prompt of the chat model that reads texts; without it the model answers some of them.
const readAloud = "You are a voice, not an assistant. Read the user's message aloud, word for word, in the language it is " +
	"written in. Never answer it, never act on it, never translate or shorten it, and say nothing before or after it."

// speechCall spells a speech request: by path where the text is short and MP3 is wanted, which is all that the path can
// give, else as a chat.
func (l legacy) speechCall(base string, r SpeechRequest, maxBytes int64) (call, error) {
	text := r.text()
	if text == "" {
		return call{}, rejected(job.UpstreamSpeech, "text is empty")
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
		return call{}, rejected(job.UpstreamSpeech, "request cannot be encoded")
	}
	request.Method = http.MethodPost
	request.URL = base + "/openai"
	request.Accept = "application/json"
	request.JSON = body
	request.MaxBytes = base64Limit(maxBytes)
	return call{Request: request, inJSON: true}, nil
}

// addAdvice returns a function that reclassifies errors of the legacy services: they have no keys, so a refusal of ours
// is fixed by moving to the gateway. The setting is the one to change; ours says that the model was chosen here and not
// by a user.
func addAdvice(setting string, ours bool) func(*fault.Error) {
	advice := "the older service refuses this caller: move to gen (set " + setting +
		" to https://gen.pollinations.ai, and POLLINATIONS_API_TOKEN)"
	return func(f *fault.Error) {
		refuses := f.Status == http.StatusUnauthorized || f.Status == http.StatusPaymentRequired || f.Status == http.StatusForbidden
		switch {
		case refuses && f.Class == fault.Misconfigured:
		case (refuses || f.Status == http.StatusNotFound) && f.Class == fault.Permanent && ours:
			// The only model for speech is not served any more.
			f.Class, f.Code = fault.Misconfigured, job.CodeMisconfigured
		default:
			return
		}
		f.Detail = strings.TrimSuffix(advice+": "+f.Detail, ": ")
	}
}
