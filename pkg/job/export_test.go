package job

// FieldTemplate returns the sentence of a code with its placeholders.
func FieldTemplate(code string, lang Lang) string { return fieldSentence(code, lang) }
