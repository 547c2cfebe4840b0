package catalogue

import (
	"cmp"
	"slices"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// Merge returns the upstream's lists completed by the built-in catalogue: with missing properties of models, lists that could not
// be fetched, and retired models.
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

// complete returns a listed model with the properties and names that only the built-in one has.
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
		// Keep the name that clients know.
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

// hasName reports whether a model has a name or alias, ignoring case.
func hasName(m job.Model, name string) bool {
	return slices.ContainsFunc(names(m), func(n string) bool { return strings.EqualFold(n, name) })
}

// find returns the first model that shares a name with like.
func find(models []job.Model, like job.Model) (job.Model, bool) {
	i := slices.IndexFunc(models, func(m job.Model) bool {
		return slices.ContainsFunc(names(m), func(name string) bool { return hasName(like, name) })
	})
	if i < 0 {
		return job.Model{}, false
	}
	return models[i], true
}
