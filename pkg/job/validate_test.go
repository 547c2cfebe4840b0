package job_test

import (
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

func testCatalogue() *job.Catalogue {
	return &job.Catalogue{
		Images: []job.Model{
			{Name: "flux", Aliases: []string{"schnell"}},
			{Name: "small", MaxPixels: 1 << 20},
			{Name: "turbo", ReplacedBy: "flux"},
			{Name: "kontext", Aliases: []string{"edit"}, MaxReferenceImages: 2},
			{Name: "boundless", MaxReferenceImages: 1000},
		},
		Speech: []job.Model{
			{Name: "eleven", Aliases: []string{"tts-1"}, Voices: []string{"nova", "alloy"}, Formats: []string{"mp3", "wav"}},
			{Name: "grok", Voices: []string{"ara"}},
			{Name: "cloner", Voices: []string{"bella"}, CustomVoices: true},
			{Name: "old", ReplacedBy: "eleven"},
		},
	}
}

// check is an input and its faults, as "pointer code" in the order of the fields.
type check struct {
	in   job.Input
	want []string
}

func image(change func(*job.ImageInput)) *job.ImageInput {
	in := &job.ImageInput{Prompt: "a fox"}
	change(in)
	return in
}

func audio(change func(*job.AudioInput)) *job.AudioInput {
	in := &job.AudioInput{Text: "hello"}
	change(in)
	return in
}

func one(fault string) []string { return []string{fault} }

// textChecks adds the cases that all text fields share: length and characters.
func textChecks(add func(name, text string, fault string), limit int, required bool) {
	blank := ""
	if required {
		blank = "required"
	}
	add("empty", "", blank)
	add("spaces", " \t\n ", blank)
	add("one character", "a", "")
	add("longest", strings.Repeat("a", limit), "")
	add("one too long", strings.Repeat("a", limit+1), "too_long")
	add("longest of emoji", strings.Repeat("🦊", limit), "")
	add("one emoji too long", strings.Repeat("🦊", limit+1), "too_long")
	if required {
		add("too many spaces", strings.Repeat(" ", limit+1), "required")
	} else {
		add("too many spaces", strings.Repeat(" ", limit+1), "too_long")
	}
	add("tab and line ends", "a\tb\r\nc", "")
	add("NUL", "a\x00b", "control_character")
	add("NUL alone", "\x00", "control_character")
	add("escape", "\x1b[31m", "control_character")
	add("DEL", "a\x7f", "control_character")
	add("vertical tab", "a\vb", "control_character")
	add("unit separator", "a\x1f", "control_character")
}

func imageChecks() map[string]check {
	checks := map[string]check{
		"nothing": {&job.ImageInput{}, one("/prompt required")},
		"everything wrong": {&job.ImageInput{
			Prompt: "", Negative: "\x00", Model: "no", Width: ptr(0), Height: ptr(-1), Seed: ptr(int64(-2)), N: ptr(0), Quality: "x",
		}, []string{
			"/prompt required", "/negative control_character", "/width out_of_range", "/height out_of_range", "/model unknown_value",
			"/seed out_of_range", "/n out_of_range", "/quality unknown_value",
		}},
	}
	textChecks(func(name, text, fault string) {
		c := check{in: image(func(in *job.ImageInput) { in.Prompt = text })}
		if fault != "" {
			c.want = one("/prompt " + fault)
		}
		checks["prompt: "+name] = c
	}, job.MaxPrompt, true)
	textChecks(func(name, text, fault string) {
		c := check{in: image(func(in *job.ImageInput) { in.Negative = text })}
		if fault != "" {
			c.want = one("/negative " + fault)
		}
		checks["negative: "+name] = c
	}, job.MaxPrompt, false)
	checks["prompt: ten thousand emoji"] = check{
		image(func(in *job.ImageInput) { in.Prompt = strings.Repeat("🦊", 10_000) }), one("/prompt too_long"),
	}
	for side, want := range map[int]bool{
		64: true, 65: true, 4095: true, 4096: true,
		math.MinInt: false, -1: false, 0: false, 63: false, 4097: false, math.MaxInt: false,
	} {
		width := check{in: image(func(in *job.ImageInput) { in.Width = ptr(side) })}
		height := check{in: image(func(in *job.ImageInput) { in.Height = ptr(side) })}
		if !want {
			width.want, height.want = one("/width out_of_range"), one("/height out_of_range")
		}
		checks["width "+name(side)], checks["height "+name(side)] = width, height
	}
	for seed, want := range map[int64]bool{
		-1: true, 0: true, job.MaxSeed: true, math.MinInt64: false, -2: false, job.MaxSeed + 1: false, math.MaxInt64: false,
	} {
		c := check{in: image(func(in *job.ImageInput) { in.Seed = ptr(seed) })}
		if !want {
			c.want = one("/seed out_of_range")
		}
		checks["seed "+name(seed)] = c
	}
	for n, want := range map[int]bool{1: true, 2: true, 4: true, -1: false, 0: false, 5: false, math.MaxInt: false} {
		c := check{in: image(func(in *job.ImageInput) { in.N = ptr(n) })}
		if !want {
			c.want = one("/n out_of_range")
		}
		checks["n "+name(n)] = c
	}
	sized := func(model string, w, h int) job.Input {
		return image(func(in *job.ImageInput) { in.Model, in.Width, in.Height = model, ptr(w), ptr(h) })
	}
	for label, c := range map[string]check{
		"the largest":             {sized("", 4096, 4096), nil},
		"the largest for a model": {sized("small", 1024, 1024), nil},
		"too large for a model":   {sized("small", 1024, 1025), one("/width too_many_pixels")},
		"model by alias":          {sized("SCHNELL", 64, 64), nil},
		"model in capitals":       {sized("Flux", 64, 64), nil},
		"unknown model":           {sized("flux2", 64, 64), one("/model unknown_value")},
		"retired model":           {sized("turbo", 64, 64), one("/model retired_model")},
		"a speech model":          {sized("eleven", 64, 64), one("/model unknown_value")},
		"longest model name":      {sized(strings.Repeat("m", 100), 64, 64), one("/model unknown_value")},
		"model too long":          {sized(strings.Repeat("m", 101), 64, 64), one("/model too_long")},
		"invalid side only":       {sized("small", 4097, 4096), one("/width out_of_range")},
	} {
		checks[label] = c
	}
	imageOptionChecks(checks)
	for _, quality := range []string{"", "low", "medium", "high", "hd", "HD"} {
		checks["quality "+quality] = check{in: image(func(in *job.ImageInput) { in.Quality = quality })}
	}
	for _, quality := range []string{"best", " hd", "low, medium"} {
		checks["quality "+quality] = check{
			image(func(in *job.ImageInput) { in.Quality = quality }), one("/quality unknown_value"),
		}
	}
	return checks
}

// imageOptionChecks adds the cases of options that are sent to the upstream: filter, guidance and reasoning.
func imageOptionChecks(checks map[string]check) {
	for field, values := range map[string]struct {
		set       func(*job.ImageInput, string)
		good, bad []string
	}{
		"safe": {
			func(in *job.ImageInput, v string) { in.Safe = v },
			[]string{"", "true", "false", "True", "nsfw", "privacy,secrets,sexual,violence,shield,nsfw", "privacy, Violence", "nsfw,nsfw"},
			[]string{"yes", "1", "true,nsfw", "nsfw,false", ",", "nsfw,", "privacy secrets", "nudity", " "},
		},
		"reasoning": {
			func(in *job.ImageInput, v string) { in.Reasoning = v },
			[]string{"", "fast", "balanced", "pro", "Pro"},
			[]string{"slow", "fast,pro", " pro"},
		},
	} {
		for _, v := range values.good {
			checks[field+" "+v] = check{in: image(func(in *job.ImageInput) { values.set(in, v) })}
		}
		for _, v := range values.bad {
			checks[field+" "+v] = check{image(func(in *job.ImageInput) { values.set(in, v) }), one("/" + field + " unknown_value")}
		}
	}
	for scale, want := range map[float64]bool{
		0: true, 7.5: true, 30: true, -0.1: false, 30.01: false, math.Inf(1): false, math.Inf(-1): false,
	} {
		c := check{in: image(func(in *job.ImageInput) { in.GuidanceScale = ptr(scale) })}
		if !want {
			c.want = one("/guidance_scale out_of_range")
		}
		checks["guidance "+name(scale)] = c
	}
	checks["guidance no number"] = check{image(func(in *job.ImageInput) { in.GuidanceScale = ptr(math.NaN()) }), one("/guidance_scale out_of_range")}
}

func audioChecks() map[string]check {
	checks := map[string]check{
		"nothing": {&job.AudioInput{}, one("/text required")},
		"everything wrong": {&job.AudioInput{Voice: "no", Model: "no", Speed: ptr(0.0), Format: "no"}, []string{
			"/text required", "/model unknown_value", "/voice unknown_voice", "/speed out_of_range", "/format unknown_value",
		}},
	}
	textChecks(func(name, text, fault string) {
		c := check{in: audio(func(in *job.AudioInput) { in.Text = text })}
		if fault != "" {
			c.want = one("/text " + fault)
		}
		checks["text: "+name] = c
	}, job.MaxSpeech, true)
	for speed, want := range map[float64]bool{
		0.25: true, 1: true, 4: true, 0.249: false, 4.01: false, 0: false, -1: false,
		math.Inf(1): false, math.Inf(-1): false,
	} {
		c := check{in: audio(func(in *job.AudioInput) { in.Speed = ptr(speed) })}
		if !want {
			c.want = one("/speed out_of_range")
		}
		checks["speed "+name(speed)] = c
	}
	for format, want := range map[string][]string{"mp3": one("/speed speed_needs_format"), "flac": one("/speed speed_needs_format"), "wav": nil, "pcm": nil} {
		checks["speed 2 as "+format] = check{audio(func(in *job.AudioInput) { in.Speed, in.Format = ptr(2.0), format }), want}
	}
	checks["speed no number"] = check{audio(func(in *job.AudioInput) { in.Speed = ptr(math.NaN()) }), one("/speed out_of_range")}
	spoken := func(model, voice, format string) job.Input {
		return audio(func(in *job.AudioInput) { in.Model, in.Voice, in.Format = model, voice, format })
	}
	for label, c := range map[string]check{
		"voice of its model":            {spoken("eleven", "nova", ""), nil},
		"voice of its model, by alias":  {spoken("TTS-1", "Alloy", ""), nil},
		"voice of another model":        {spoken("eleven", "ara", ""), one("/voice unknown_value")},
		"voice of any model":            {spoken("", "ara", ""), nil},
		"custom voice":                  {spoken("cloner", "21m00Tcm4TlvDq8ikWAM", ""), nil},
		"custom voice of any model":     {spoken("", "21m00Tcm4TlvDq8ikWAM", ""), nil},
		"shortest custom voice":         {spoken("cloner", "21m00Tcm", ""), nil},
		"too short for a custom voice":  {spoken("cloner", "21m00Tc", ""), one("/voice unknown_value")},
		"too long for a custom voice":   {spoken("cloner", strings.Repeat("a", 65), ""), one("/voice unknown_value")},
		"custom voice with a sign":      {spoken("cloner", "21m00Tcm-TlvDq8ikWAM", ""), one("/voice unknown_value")},
		"custom voice of another model": {spoken("grok", "21m00Tcm4TlvDq8ikWAM", ""), one("/voice unknown_value")},
		"voice of no model":             {spoken("", "bob", ""), one("/voice unknown_voice")},
		"voice with an unknown model":   {spoken("nope", "ara", ""), one("/model unknown_value")},
		"voice with a retired model":    {spoken("old", "ara", ""), one("/model retired_model")},
		"an image model":                {spoken("flux", "", ""), one("/model unknown_value")},
		"model too long":                {spoken(strings.Repeat("m", 101), "", ""), one("/model too_long")},
		"format of its model":           {spoken("eleven", "", "wav"), nil},
		"format of another model":       {spoken("eleven", "", "flac"), one("/format unknown_value")},
		"format, model without a list":  {spoken("grok", "", "flac"), nil},
		"format without a model":        {spoken("", "", "pcm"), nil},
		"format unknown":                {spoken("", "", "midi"), one("/format unknown_value")},
		"format unknown, once":          {spoken("eleven", "", "midi"), one("/format unknown_value")},
		"list of formats":               {spoken("", "", "mp3, opus"), one("/format unknown_value")},
		"format of an aliased model":    {spoken("tts-1", "", "opus"), one("/format unknown_value")},
	} {
		checks[label] = c
	}
	return checks
}

func textInputChecks() map[string]check {
	checks := map[string]check{"nothing": {&job.TextInput{}, one("/text required")}}
	textChecks(func(name, text, fault string) {
		c := check{in: &job.TextInput{Text: text}}
		if fault != "" {
			c.want = one("/text " + fault)
		}
		checks["text: "+name] = c
	}, job.MaxPrompt, true)
	return checks
}

func TestValidate(t *testing.T) {
	t.Parallel()
	produced := map[string]bool{}
	for input, checks := range map[string]map[string]check{
		"image": imageChecks(), "references": referenceChecks(), "audio": audioChecks(), "text": textInputChecks(),
	} {
		for name, c := range checks {
			var got []string
			for _, fault := range c.in.Validate(testCatalogue()) {
				got = append(got, fault.Pointer+" "+fault.Code)
				produced[fault.Code] = true
				readable(t, fault)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%s: %s: %q, want %q", input, name, got, c.want)
			}
		}
	}
	urlsOnly := testCatalogue()
	urlsOnly.MaxPromptBytes = 5000
	stored := image(func(in *job.ImageInput) {
		in.Model, in.ReferenceImages = "kontext", []string{"https://a.example/b", "upload:a"}
	})
	faults := stored.Validate(urlsOnly)
	if len(faults) != 1 || faults[0].Pointer != "/reference_images/1" || faults[0].Code != "reference_needs_url" {
		t.Errorf("an upstream that accepts only URLs: %+v", faults)
	}
	produced["reference_needs_url"] = true
	// Each code in the source is produced by a case above.
	var source []byte
	for _, file := range []string{"validate.go", "safe.go", "reference.go"} {
		part, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		source = append(source, part...)
	}
	written := regexp.MustCompile(`f\.add\([^,]+, "([a-z_]+)"`).FindAllStringSubmatch(string(source), -1)
	if len(written) < 10 {
		t.Fatalf("found only %d faults in the source", len(written))
	}
	for _, match := range written {
		if !produced[match[1]] {
			t.Errorf("no case produces %s", match[1])
		}
	}
}

func TestValidateDeadline(t *testing.T) {
	t.Parallel()
	for seconds, want := range map[int]bool{
		1: true, 2: true, 86_399: true, 86_400: true, 0: false, -1: false, 86_401: false, math.MaxInt: false, math.MinInt: false,
	} {
		faults := job.ValidateDeadline("/deadline_seconds", seconds)
		if (len(faults) == 0) != want {
			t.Errorf("%d: %v", seconds, faults)
		}
		for _, fault := range faults {
			readable(t, fault)
			if fault.Pointer != "/deadline_seconds" || fault.Code != "out_of_range" {
				t.Errorf("%d: %+v", seconds, fault)
			}
		}
	}
}
