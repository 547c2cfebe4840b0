package catalogue

import (
	"cmp"
	"slices"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// Merge completes the upstream's lists with the built-in catalogue: what a list does not say about a model, a list that could
// not be fetched, and the models that were retired.
func Merge(lists, builtin *job.Catalogue) *job.Catalogue {
	merged := &job.Catalogue{Source: lists.Source, UpdatedAt: lists.UpdatedAt, MaxPromptBytes: lists.MaxPromptBytes}
	if len(lists.Images) == 0 && len(lists.Speech) == 0 {
		merged.Source = job.SourceBuiltin
	}
	merged.Images = mergeModels(lists.Images, builtin.Images)
	merged.Speech = mergeModels(lists.Speech, builtin.Speech)
	for i, m := range merged.Speech {
		merged.Speech[i].CustomVoices = m.ReplacedBy == "" && takesCustomVoices(m)
	}
	return merged
}

func mergeModels(listed, builtin []job.Model) []job.Model {
	if len(listed) == 0 {
		return builtin
	}
	var merged []job.Model
	for _, m := range listed {
		if known, ok := find(builtin, m); ok {
			m = complete(m, known)
		}
		if len(m.Formats) == 0 {
			m.Formats = formatsOf(m)
		}
		merged = append(merged, m)
	}
	for _, m := range builtin {
		if _, served := find(listed, m); m.ReplacedBy == "" || served {
			continue
		}
		if _, served := find(listed, job.Model{Name: m.ReplacedBy}); !served {
			m.ReplacedBy = merged[0].Name
		}
		merged = append(merged, m)
	}
	return merged
}

// complete adds to a listed model what only the built-in one says.
func complete(m, known job.Model) job.Model {
	if len(m.Voices) == 0 {
		m.Voices = known.Voices
	}
	if len(m.Formats) == 0 {
		m.Formats = known.Formats
	}
	m.MaxPixels = cmp.Or(m.MaxPixels, known.MaxPixels)
	m.MaxReferenceImages = cmp.Or(m.MaxReferenceImages, known.MaxReferenceImages)
	short := m.Name
	if hasName(m, known.Name) {
		// Clients keep seeing the short name, whatever the upstream calls the model now.
		short = known.Name
	}
	var aliases []string
	for _, alias := range slices.Concat(m.Aliases, []string{m.Name}, known.Aliases, []string{known.Name}) {
		if !strings.EqualFold(alias, short) && !slices.Contains(aliases, alias) {
			aliases = append(aliases, alias)
		}
	}
	m.Name, m.Aliases = short, aliases
	return m
}

// names returns the name and the aliases of a model.
func names(m job.Model) []string { return append([]string{m.Name}, m.Aliases...) }

// hasName reports whether a model has a name or alias, in capital or small letters.
func hasName(m job.Model, name string) bool {
	return slices.ContainsFunc(names(m), func(n string) bool { return strings.EqualFold(n, name) })
}

// find returns the model that has any of another one's names.
func find(models []job.Model, like job.Model) (job.Model, bool) {
	i := slices.IndexFunc(models, func(m job.Model) bool {
		return slices.ContainsFunc(names(m), func(name string) bool { return hasName(like, name) })
	})
	if i < 0 {
		return job.Model{}, false
	}
	return models[i], true
}
