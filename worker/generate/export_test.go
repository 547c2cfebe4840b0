package generate

// TranslationLength returns the usual length of a text's translation.
func TranslationLength(text string) int { return translationLength(text) }
