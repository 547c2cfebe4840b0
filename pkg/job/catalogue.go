package job

import "strings"

// Catalogue lists the models and voices that can be asked for.
type Catalogue struct {
	Images []Model
	Speech []Model
}

// Model is one model of an upstream.
type Model struct {
	Name    string
	Aliases []string
	Voices  []string
	Formats []string
	// MaxPixels bounds width × height; 0 means no bound of its own.
	MaxPixels int
	// ReplacedBy names the model to ask for instead; set only on retired models, which are refused.
	ReplacedBy string
}

// ImageModel finds an image model by name or alias, whatever the letter case.
func (c *Catalogue) ImageModel(name string) (Model, bool) { return find(c.Images, name) }

// SpeechModel finds a speech model by name or alias, whatever the letter case.
func (c *Catalogue) SpeechModel(name string) (Model, bool) { return find(c.Speech, name) }

func find(models []Model, name string) (Model, bool) {
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
