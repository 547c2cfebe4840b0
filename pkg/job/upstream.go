package job

import "strings"

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

// providerPrefixes are the prefixes of the circuit breakers of providers, by the upstream for which a provider serves.
func providerPrefixes() map[string]string {
	return map[string]string{UpstreamImage: "image-", UpstreamSpeech: "speech-", UpstreamLanguage: "chat-"}
}

// ProviderCircuit returns the name of the circuit breaker of a provider, one of several that serve for an upstream.
func ProviderCircuit(upstream, provider string) string {
	return providerPrefixes()[upstream] + provider
}

// ServedUpstream returns the upstream for which the provider with a circuit breaker serves; false if the name is not that of a
// provider's circuit breaker.
func ServedUpstream(circuit string) (upstream string, ok bool) {
	for upstream, prefix := range providerPrefixes() {
		if name, found := strings.CutPrefix(circuit, prefix); found && ValidProvider(name) {
			return upstream, true
		}
	}
	return "", false
}

// ValidProvider reports whether a provider may have this name: up to 40 lower-case letters, digits and hyphens.
func ValidProvider(name string) bool {
	const longest = 40
	return name != "" && len(name) <= longest && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	})
}
