package job

// The upstreams. Each has a circuit breaker of its own.
const (
	UpstreamImage    = "pollinations-image"
	UpstreamSpeech   = "pollinations-speech"
	UpstreamLanguage = "language-model"
)

// Upstreams returns every upstream.
func Upstreams() []string { return []string{UpstreamImage, UpstreamSpeech, UpstreamLanguage} }

// Upstream returns the upstream that a job of the kind requires. An image whose prompt is to be improved uses the language model
// too, but does without it if necessary.
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
