package jobs

import (
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// foldText returns the form in which texts are compared: without differences of case, of width and of how accents are encoded.
// macOS, for one, sends an accent as a character of its own.
func foldText(s string) string { return cases.Fold().String(norm.NFKC.String(s)) }

// containsText reports whether the prompt or text of a job, or its improved prompt, contains a folded text.
func containsText(s *job.Snapshot, folded string) bool {
	if strings.Contains(foldText(promptOf(s.Spec.Input)), folded) {
		return true
	}
	return s.Record != nil && s.Record.Result != nil && s.Record.Result.Prompt != nil &&
		strings.Contains(foldText(s.Record.Result.Prompt.Optimized), folded)
}

// promptOf returns the prompt or text of an input.
func promptOf(in job.Input) string {
	switch in := in.(type) {
	case *job.ImageInput:
		return in.Prompt
	case *job.AudioInput:
		return in.Text
	case *job.TextInput:
		return in.Text
	}
	return ""
}
