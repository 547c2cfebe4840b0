package job

import "strings"

// Catalogue lists the available models and voices.
type Catalogue struct {
	V int `json:"v,omitempty"`
	// Source is SourceBuiltin or SourceUpstream.
	Source string `json:"source"`
	// UpdatedAt is when the list was fetched from the upstream.
	UpdatedAt *Time   `json:"updated_at,omitempty"`
	Images    []Model `json:"images"`
	Speech    []Model `json:"speech"`
	// MaxPromptBytes limits the URL-escaped prompt of an image, for an upstream that accepts it only in the URL; 0 means no
	// limit.
	MaxPromptBytes int `json:"max_prompt_bytes,omitempty"`
}

// The sources of a catalogue.
const (
	SourceBuiltin  = "builtin"
	SourceUpstream = "upstream"
)

// Model is one model of an upstream.
type Model struct {
	Name    string   `json:"name"`
	Title   string   `json:"title,omitempty"`
	Aliases []string `json:"aliases,omitempty"`
	Voices  []string `json:"voices,omitempty"`
	Formats []string `json:"formats,omitempty"`
	// CustomVoices reports whether the model also accepts voices that are not listed, by id.
	CustomVoices bool `json:"custom_voices,omitempty"`
	// AnyVoice reports whether the model accepts every voice, because nobody has listed those that it has.
	AnyVoice bool `json:"any_voice,omitempty"`
	// MaxPixels limits width × height; 0 means the general limit.
	MaxPixels int `json:"max_pixels,omitempty"`
	// MaxReferenceImages limits reference_images; 0 means that the model accepts none.
	MaxReferenceImages int `json:"max_reference_images,omitempty"`
	// PaidOnly reports whether the model cannot be used with free credit.
	PaidOnly bool `json:"paid_only,omitempty"`
	// PerUserRPM is how many calls per minute the upstream accepts from one account; 0 if it states no limit.
	PerUserRPM int    `json:"per_user_rpm,omitempty"`
	Price      *Price `json:"price,omitempty"`
	// Health is the model's health as reported by the upstream.
	Health string `json:"health,omitempty"`
	// Offers are those of the providers of the model, in the order in which they are tried; empty without a list of providers.
	Offers []Offer `json:"offers,omitempty"`
	// ReplacedBy is the model to use instead of a retired one, which is refused; empty for all others.
	ReplacedBy string `json:"replaced_by,omitempty"`
}

// Offer is what one of several providers offers of a model. Limits and voices are set if the model has several offers.
type Offer struct {
	Provider           string   `json:"provider"`
	Price              *Price   `json:"price,omitempty"`
	MaxPixels          int      `json:"max_pixels,omitempty"`
	MaxReferenceImages int      `json:"max_reference_images,omitempty"`
	Voices             []string `json:"voices,omitempty"`
}

// Offer returns the offer of a provider, and false if it has none.
func (m Model) Offer(provider string) (Offer, bool) {
	for _, o := range m.Offers {
		if o.Provider == provider {
			return o, true
		}
	}
	return Offer{}, false
}

// Price is the price of a model. Amounts are decimal numbers.
type Price struct {
	Currency string `json:"currency"`
	// PerImage, PerThousandCharacters and PerToken are empty if the model is not priced that way.
	PerImage              string `json:"per_image,omitempty"`
	PerThousandCharacters string `json:"per_thousand_characters,omitempty"`
	PerToken              string `json:"per_token,omitempty"`
}

// Usage is the usage of upstream calls and, if the catalogue has the price, its cost.
type Usage struct {
	// Cost is a decimal number in Currency; empty if the price is unknown.
	Cost             string `json:"cost,omitempty"`
	Currency         string `json:"currency,omitempty"`
	Images           int    `json:"images,omitempty"`
	Characters       int    `json:"characters,omitempty"`
	PromptTokens     int    `json:"prompt_tokens,omitempty"`
	CompletionTokens int    `json:"completion_tokens,omitempty"`
	// Cached counts responses from the upstream's cache, which are not billed.
	Cached int `json:"cached,omitempty"`
}

// ImageModel returns the image model with a name or alias, ignoring case.
func (c *Catalogue) ImageModel(name string) (Model, bool) { return FindModel(c.Images, name) }

// SpeechModel returns the speech model with a name or alias, ignoring case.
func (c *Catalogue) SpeechModel(name string) (Model, bool) { return FindModel(c.Speech, name) }

// Voice returns the listed voice with a name, ignoring case, as spelled in the catalogue.
func (m Model) Voice(name string) (string, bool) {
	for _, voice := range m.Voices {
		if strings.EqualFold(voice, name) {
			return voice, true
		}
	}
	return "", false
}

// TakesVoice reports whether the model accepts a voice: a listed one, ignoring case, or a custom one.
func (m Model) TakesVoice(voice string) bool {
	return m.AnyVoice || contains(m.Voices, voice) || (m.CustomVoices && voiceID(voice))
}

// voiceID reports whether s can be the id of a custom voice.
func voiceID(voice string) bool {
	const shortest, longest = 8, 64
	if len(voice) < shortest || len(voice) > longest {
		return false
	}
	return !strings.ContainsFunc(voice, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}

// ServedModel returns the model with a name or, if the upstream no longer serves it, the first model that it serves. If there is
// none, it returns a Model with only the name.
func ServedModel(models []Model, name string) Model {
	if m, ok := FindModel(models, name); ok && m.ReplacedBy == "" {
		return m
	}
	for _, m := range models {
		if m.ReplacedBy == "" {
			return m
		}
	}
	return Model{Name: name}
}

// FindModel returns the model with a name or alias, ignoring case.
func FindModel(models []Model, name string) (Model, bool) {
	for _, m := range models {
		if strings.EqualFold(m.Name, name) || contains(m.Aliases, name) {
			return m, true
		}
	}
	return Model{}, false
}
