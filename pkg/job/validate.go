package job

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The limits of requests.
const (
	MaxPrompt     = 4000       // characters of an image prompt, a negative prompt or a text to improve or translate
	MaxSpeech     = 10000      // characters of a text to speak
	MinSide       = 64         // pixels
	MaxSide       = 4096       // pixels
	MaxPixels     = 16_800_000 // width × height
	MaxSeed       = 2147483647
	MaxImages     = 4
	MinSpeed      = 0.25
	MaxSpeed      = 4.0
	MinDeadline   = 1     // seconds
	MaxDeadline   = 86400 // seconds
	maxModelName  = 100   // characters
	qualityChoice = "low, medium, high, hd"
	formatChoice  = "mp3, opus, aac, flac, wav, pcm"

	MinGuidance     = 0.0
	MaxGuidance     = 30.0
	reasoningChoice = "fast, balanced, pro"
)

// FieldError is a fault in one field of a request.
type FieldError struct {
	// Pointer is a JSON Pointer (RFC 6901) into the request, such as "/input/width".
	Pointer string
	// Code is the stable name of the fault.
	Code string
	// Args are the values of the placeholders of the sentence, by name.
	Args map[string]string
}

// FieldCodes returns all codes of FieldError.
func FieldCodes() []string { return slices.Sorted(maps.Keys(fieldSentences)) }

// Sentence returns a sentence that describes the fault.
func (e FieldError) Sentence(lang Lang) string {
	s := fieldSentence(e.Code, lang)
	for name, value := range e.Args {
		s = strings.ReplaceAll(s, "{"+name+"}", value)
	}
	return s
}

// Error returns the pointer and the English sentence.
func (e FieldError) Error() string { return e.Pointer + ": " + e.Sentence(English) }

// Validate checks an image request. Pointers are relative to the input.
func (in *ImageInput) Validate(c *Catalogue) []FieldError {
	var f faultList
	f.text("/prompt", in.Prompt, MaxPrompt, true)
	f.text("/negative", in.Negative, MaxPrompt, false)
	f.fitsURL("/prompt", in, c.MaxPromptBytes)
	width, height := in.Size()
	inSide := f.between("/width", width, MinSide, MaxSide)
	inSide = f.between("/height", height, MinSide, MaxSide) && inSide
	model, known := f.model("/model", in.Model, c.Images)
	limit := MaxPixels
	if known && model.MaxPixels > 0 {
		limit = model.MaxPixels
	}
	if inSide && width*height > limit {
		f.add("/width", "too_many_pixels", "max", strconv.Itoa(limit))
	}
	if in.Seed != nil && (*in.Seed < -1 || *in.Seed > MaxSeed) {
		f.add("/seed", "out_of_range", "min", "-1", "max", strconv.Itoa(MaxSeed))
	}
	if in.N != nil {
		f.between("/n", *in.N, 1, MaxImages)
	}
	f.oneOf("/quality", in.Quality, qualityChoice)
	f.safe("/safe", in.Safe)
	f.references("/reference_images", in.ReferenceImages, model, known, c.MaxPromptBytes > 0)
	// In this form NaN is out of range too.
	if in.GuidanceScale != nil && !(*in.GuidanceScale >= MinGuidance && *in.GuidanceScale <= MaxGuidance) {
		f.add("/guidance_scale", "out_of_range", "min", "0", "max", "30")
	}
	f.oneOf("/reasoning", in.Reasoning, reasoningChoice)
	return f
}

// Validate checks a speech request. Pointers are relative to the input.
func (in *AudioInput) Validate(c *Catalogue) []FieldError {
	var f faultList
	f.text("/text", in.Text, MaxSpeech, true)
	model, known := f.model("/model", in.Model, c.Speech)
	if in.Voice != "" {
		f.voice(in.Voice, model, known, c)
	}
	// In this form NaN is out of range too.
	switch {
	case in.Speed == nil:
	case !(*in.Speed >= MinSpeed && *in.Speed <= MaxSpeed):
		f.add("/speed", "out_of_range", "min", "0.25", "max", "4")
	case *in.Speed != 1 && in.Format != "" && contains(strings.Split(formatChoice, ", "), in.Format) && !contains(speedFormats(), in.Format):
		f.add("/speed", "speed_needs_format", "formats", strings.Join(speedFormats(), ", "))
	}
	if f.oneOf("/format", in.Format, formatChoice) && in.Format != "" && known && len(model.Formats) > 0 &&
		!contains(model.Formats, in.Format) {
		f.add("/format", "unknown_value", "known", strings.Join(model.Formats, ", "))
	}
	return f
}

// speedFormats returns the formats that support a speed other than 1. The upstream has only one speed; these formats are
// time-stretched by this program. The first is the default of such requests.
func speedFormats() []string { return []string{"wav", "pcm"} }

// Validate checks a text request. Pointers are relative to the input.
func (in *TextInput) Validate(*Catalogue) []FieldError {
	var f faultList
	f.text("/text", in.Text, MaxPrompt, true)
	return f
}

// ValidateDeadline checks the option deadline_seconds.
func ValidateDeadline(pointer string, seconds int) []FieldError {
	var f faultList
	f.between(pointer, seconds, MinDeadline, MaxDeadline)
	return f
}

// faultList collects field errors.
type faultList []FieldError

func (f *faultList) add(pointer, code string, args ...string) {
	e := FieldError{Pointer: pointer, Code: code}
	if len(args) > 0 {
		e.Args = make(map[string]string, len(args)/2)
		for i := 0; i+1 < len(args); i += 2 {
			e.Args[args[i]] = args[i+1]
		}
	}
	*f = append(*f, e)
}

func (f *faultList) text(pointer, s string, limit int, required bool) {
	if required && strings.TrimSpace(s) == "" {
		f.add(pointer, "required")
		return
	}
	if utf8.RuneCountInString(s) > limit {
		f.add(pointer, "too_long", "max", strconv.Itoa(limit))
	}
	if strings.ContainsFunc(s, forbiddenControl) {
		f.add(pointer, "control_character")
	}
}

// forbiddenControl reports whether r is a control character other than tab and line breaks.
func forbiddenControl(r rune) bool {
	return (r < 0x20 && r != '\t' && r != '\n' && r != '\r') || r == 0x7f
}

func (f *faultList) between(pointer string, v, low, high int) bool {
	if v >= low && v <= high {
		return true
	}
	f.add(pointer, "out_of_range", "min", strconv.Itoa(low), "max", strconv.Itoa(high))
	return false
}

func (f *faultList) oneOf(pointer, v, choice string) bool {
	if v == "" || contains(strings.Split(choice, ", "), v) {
		return true
	}
	f.add(pointer, "unknown_value", "known", choice)
	return false
}

// model checks the name of a model, which may be empty, and returns the model if it is available.
func (f *faultList) model(pointer, name string, models []Model) (Model, bool) {
	if name == "" {
		return Model{}, false
	}
	if utf8.RuneCountInString(name) > maxModelName {
		f.add(pointer, "too_long", "max", strconv.Itoa(maxModelName))
		return Model{}, false
	}
	m, ok := FindModel(models, name)
	switch {
	case !ok:
		f.add(pointer, "unknown_value", "known", names(models))
		return Model{}, false
	case m.ReplacedBy != "":
		f.add(pointer, "retired_model", "replacement", m.ReplacedBy)
		return Model{}, false
	}
	return m, true
}

// voice checks that the model accepts a voice or, if the model is unknown, that any model does.
func (f *faultList) voice(voice string, model Model, known bool, c *Catalogue) {
	if known {
		if !model.TakesVoice(voice) {
			f.add("/voice", "unknown_value", "known", strings.Join(model.Voices, ", "))
		}
		return
	}
	if !slices.ContainsFunc(c.Speech, func(m Model) bool { return m.TakesVoice(voice) }) {
		f.add("/voice", "unknown_voice")
	}
}

func names(models []Model) string {
	var list []string
	for _, m := range models {
		if m.ReplacedBy == "" {
			list = append(list, m.Name)
		}
	}
	return strings.Join(list, ", ")
}

func contains(list []string, s string) bool {
	return slices.ContainsFunc(list, func(item string) bool { return strings.EqualFold(item, s) })
}
