package job

// The upstreams, as the whole system spells them. Each is open or closed on its own.
const (
	UpstreamImage    = "pollinations-image"
	UpstreamSpeech   = "pollinations-speech"
	UpstreamLanguage = "language-model"
)

// Upstreams returns every upstream.
func Upstreams() []string { return []string{UpstreamImage, UpstreamSpeech, UpstreamLanguage} }

// Upstream returns the upstream without which a job of the kind cannot be worked. A picture whose prompt is to be
// improved asks the language model, too, but goes on without it.
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
