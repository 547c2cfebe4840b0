package job

import (
	"maps"
	"slices"
)

// FieldCodes returns every code that has a sentence.
func FieldCodes() []string { return slices.Sorted(maps.Keys(fieldSentences)) }

// FieldTemplate returns the sentence of a code with its gaps still open.
func FieldTemplate(code string, lang Lang) string { return sentence(fieldSentences, code, lang) }
