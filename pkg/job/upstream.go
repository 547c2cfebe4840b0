package job

// The upstreams. Each has its own circuit breaker.
const (
	UpstreamImage    = "pollinations-image"
	UpstreamSpeech   = "pollinations-speech"
	UpstreamLanguage = "language-model"
)

// Upstreams returns all upstreams.
func Upstreams() []string { return []string{UpstreamImage, UpstreamSpeech, UpstreamLanguage} }

// Upstream returns the upstream that jobs of the kind require. Improving the prompt of an image also uses the language model, but
// the job succeeds without it.
func (k Kind) Upstream() string {
	switch k {
	case KindImage:
		return UpstreamImage
	case KindAudio:
		return UpstreamSpeech
	case KindPrompt, KindTranslation:
	}
	return UpstreamLanguage
}
