package generate

// TranslationLength returns the expected length of a translation.
func TranslationLength(text string) int { return translationLength(text) }
