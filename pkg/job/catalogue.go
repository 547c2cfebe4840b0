package job

import "strings"

// Catalogue lists the available models and voices.
type Catalogue struct {
	V int `json:"v,omitempty"`
	// Source is SourceBuiltin or SourceUpstream.
	Source string `json:"source"`
	// UpdatedAt is when the list was read from the upstream.
	UpdatedAt *Time   `json:"updated_at,omitempty"`
	Images    []Model `json:"images"`
	Speech    []Model `json:"speech"`
	// MaxPromptBytes limits the words of an image as they are escaped for a URL, where the upstream accepts them in no other
	// way; 0 means no limit.
	MaxPromptBytes int `json:"max_prompt_bytes,omitempty"`
}

// Where a catalogue comes from.
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
	// CustomVoices says that the model also accepts voices that are not listed, by their ids.
	CustomVoices bool `json:"custom_voices,omitempty"`
	// MaxPixels limits width × height; 0 means no limit of its own.
	MaxPixels int `json:"max_pixels,omitempty"`
	// MaxReferenceImages limits reference_images; 0 means that the model accepts none.
	MaxReferenceImages int `json:"max_reference_images,omitempty"`
	// PaidOnly says that free credit cannot be used for this model.
	PaidOnly bool `json:"paid_only,omitempty"`
	// PerUserRPM is how many calls a minute the upstream accepts from one account; 0 means that it states no limit.
	PerUserRPM int    `json:"per_user_rpm,omitempty"`
	Price      *Price `json:"price,omitempty"`
	// Health is the model's state as the upstream reports it.
	Health string `json:"health,omitempty"`
	// ReplacedBy names the model to use instead; set only on retired models, which are refused.
	ReplacedBy string `json:"replaced_by,omitempty"`
}

// Price is what a model costs. Amounts are decimal numbers.
type Price struct {
	Currency string `json:"currency"`
	// PerImage, PerThousandCharacters and PerToken are empty where the model is not priced that way.
	PerImage              string `json:"per_image,omitempty"`
	PerThousandCharacters string `json:"per_thousand_characters,omitempty"`
	PerToken              string `json:"per_token,omitempty"`
}

// Usage is what the upstream calls of a job used and, where the catalogue knows the price, what they cost.
type Usage struct {
	// Cost is a decimal number in Currency; empty when the price is not known.
	Cost             string `json:"cost,omitempty"`
	Currency         string `json:"currency,omitempty"`
	Images           int    `json:"images,omitempty"`
	Characters       int    `json:"characters,omitempty"`
	PromptTokens     int    `json:"prompt_tokens,omitempty"`
	CompletionTokens int    `json:"completion_tokens,omitempty"`
	// Cached counts responses that the upstream had cached and did not bill.
	Cached int `json:"cached,omitempty"`
}

// ImageModel finds an image model by name or alias, whatever the letter case.
func (c *Catalogue) ImageModel(name string) (Model, bool) { return FindModel(c.Images, name) }

// SpeechModel finds a speech model by name or alias, whatever the letter case.
func (c *Catalogue) SpeechModel(name string) (Model, bool) { return FindModel(c.Speech, name) }

// Voice returns the listed voice of a name, whatever the letter case, as the catalogue spells it.
func (m Model) Voice(name string) (string, bool) {
	for _, voice := range m.Voices {
		if strings.EqualFold(voice, name) {
			return voice, true
		}
	}
	return "", false
}

// TakesVoice reports whether the model accepts a voice: one of its list, whatever the letter case, or a custom one.
func (m Model) TakesVoice(voice string) bool {
	return contains(m.Voices, voice) || (m.CustomVoices && voiceID(voice))
}

// voiceID reports whether a voice can be the id of a custom one.
func voiceID(voice string) bool {
	const shortest, longest = 8, 64
	if len(voice) < shortest || len(voice) > longest {
		return false
	}
	return !strings.ContainsFunc(voice, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}

// ServedModel returns the model of a name or, when the upstream no longer serves it, the first model that it does. With no
// such model it returns one that has nothing but the name.
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

// FindModel finds a model by name or alias, whatever the letter case.
func FindModel(models []Model, name string) (Model, bool) {
	for _, m := range models {
		if strings.EqualFold(m.Name, name) {
			return m, true
		}
		for _, alias := range m.Aliases {
			if strings.EqualFold(alias, name) {
				return m, true
			}
		}
	}
	return Model{}, false
}
