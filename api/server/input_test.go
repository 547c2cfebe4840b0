package server_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// inputCase is a value of a field of a kind's input.
type inputCase struct {
	kind, field string
	value       any
	// want is the error code, or empty if the value is valid.
	want string
}

func inputCases() []inputCase {
	emoji := strings.Repeat("🙂", 10_000)
	bad := func(kind, field, code string, values ...any) (cases []inputCase) {
		for _, v := range values {
			cases = append(cases, inputCase{kind: kind, field: field, value: v, want: code})
		}
		return cases
	}
	good := func(kind, field string, values ...any) []inputCase { return bad(kind, field, "", values...) }
	cases := slices.Concat(
		good("image", "prompt", "a", strings.Repeat("字", 4000), "line\nline\ttab"),
		bad("image", "prompt", "required", "", "  \n", nil),
		bad("image", "prompt", "too_long", strings.Repeat("字", 4001), emoji),
		bad("image", "prompt", "control_character", "a\x00b", "a\x1bb", "a\x7fb"),
		bad("image", "prompt", "wrong_type", 1, true, fields{}, []any{"a"}),
		good("image", "negative", "", "blur", nil),
		bad("image", "negative", "too_long", strings.Repeat("x", 4001)),
		bad("image", "negative", "wrong_type", 1.5),
		good("image", "model", "flux", "FLUX", "sana", "", nil),
		bad("image", "model", "unknown_value", "unknown"),
		bad("image", "model", "retired_model", "turbo"),
		bad("image", "model", "too_long", strings.Repeat("m", 101)),
		bad("image", "model", "wrong_type", 3),
		good("image", "width", 64, 4096, nil),
		bad("image", "width", "out_of_range", 63, 4097, 0, -1, 1e15),
		bad("image", "width", "wrong_type", 64.5, "64", true, []any{}),
		good("image", "height", 64, 4096),
		bad("image", "height", "out_of_range", 63, 4097),
		bad("image", "height", "wrong_type", "64", 100.25),
		good("image", "seed", 0, -1, 2147483647, nil),
		bad("image", "seed", "out_of_range", -2, 2147483648),
		bad("image", "seed", "wrong_type", 0.5, "7"),
		good("image", "n", 1, 4, nil),
		bad("image", "n", "out_of_range", 0, 5, -1),
		bad("image", "n", "wrong_type", "2", 1.5),
		good("image", "optimize", true, false, nil),
		bad("image", "optimize", "wrong_type", "true", 1),
		good("image", "quality", "low", "medium", "high", "hd", ""),
		bad("image", "quality", "unknown_value", "ultra"),
		bad("image", "quality", "wrong_type", 1),
		good("image", "transparent", true),
		bad("image", "transparent", "wrong_type", "yes"),
		good("image", "nologo", true, false, nil),
		bad("image", "nologo", "wrong_type", 1),
		good("image", "safe", true, false, "true", "false", "privacy,secrets,sexual,violence,shield,nsfw", "NSFW, privacy", "", nil),
		bad("image", "safe", "unknown_value", "yes", "nsfw,true", ","),
		bad("image", "safe", "wrong_type", 1, []any{"nsfw"}, fields{}),
		good("image", "guidance_scale", 0, 7.5, 30, nil),
		bad("image", "guidance_scale", "out_of_range", -0.5, 30.5, 1e300),
		bad("image", "guidance_scale", "wrong_type", "7", true),
		good("image", "reasoning", "fast", "balanced", "pro", "Pro", "", nil),
		bad("image", "reasoning", "unknown_value", "deep"),
		bad("image", "reasoning", "wrong_type", true),
		good("image", "reference_images", nil),
		bad("image", "reference_images", "required", []any{}),
		bad("image", "reference_images", "not_for_model", []any{"https://pictures.example/a.png"}),
		bad("image", "reference_images", "wrong_type", "https://pictures.example/a.png", fields{}, 1),
		bad("audio", "safe", "unknown_field", true),
		bad("image", "colour", "unknown_field", "red", nil, fields{}),
		bad("image", "Prompt", "unknown_field", "field names are case-sensitive"),
		bad("image", "a/b~c", "unknown_field", 1),

		good("audio", "text", "hello", strings.Repeat("字", 10_000)),
		bad("audio", "text", "required", "", nil),
		bad("audio", "text", "too_long", strings.Repeat("字", 10_001)),
		bad("audio", "text", "control_character", "\x00"),
		bad("audio", "text", "wrong_type", 5),
		good("audio", "voice", "nova", "NOVA", "af_heart", "21m00Tcm4TlvDq8ikWAM", "", nil),
		bad("audio", "voice", "unknown_voice", "unknown", "no_body_at_all"),
		bad("audio", "voice", "wrong_type", 5),
		good("audio", "model", "elevenlabs", "kokoro", "tts-1"),
		bad("audio", "model", "unknown_value", "flux"),
		bad("audio", "model", "retired_model", "openai-audio"),
		good("audio", "speed", 0.25, 4, 1, 1.5, nil),
		bad("audio", "speed", "out_of_range", 0.24, 4.01, 0, -1),
		bad("audio", "speed", "wrong_type", "1", true),
		good("audio", "format", "mp3", "opus", "aac", "flac", "wav", "pcm", ""),
		bad("audio", "format", "unknown_value", "ogg"),
		bad("audio", "format", "wrong_type", 1),
		bad("audio", "prompt", "unknown_field", "belongs to an image"),
	)
	for _, kind := range []string{"prompt", "translation"} {
		cases = slices.Concat(cases,
			good(kind, "text", "a", strings.Repeat("字", 4000)),
			bad(kind, "text", "required", "", "\t"),
			bad(kind, "text", "too_long", strings.Repeat("字", 4001), emoji),
			bad(kind, "text", "control_character", "\u0007"),
			bad(kind, "text", "wrong_type", []any{}),
			bad(kind, "voice", "unknown_field", "nova"),
		)
	}
	return cases
}

func TestEveryFieldOfEveryInput(t *testing.T) {
	t.Parallel()
	b := setup(t)
	seen := map[string]bool{}
	for _, tc := range inputCases() {
		seen[tc.kind+" "+tc.field] = true
		input := fields{}
		switch tc.kind {
		case "image":
			input["prompt"] = "a lighthouse"
		default:
			input["text"] = "good evening"
		}
		input[tc.field] = tc.value
		body := fields{"kind": tc.kind, "input": input}
		resp := b.submit(t, body)
		if tc.want == "" {
			if resp.StatusCode != http.StatusAccepted {
				t.Errorf("%s %s = %.40v: status %d: %s", tc.kind, tc.field, tc.value, resp.StatusCode, resp.body)
			}
			continue
		}
		f := resp.problem(t, http.StatusBadRequest, "invalid_request")
		pointer := "/input/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(tc.field)
		if got, want := f.Errors.list(), []string{pointer + " " + tc.want}; !slices.Equal(got, want) {
			t.Errorf("%s %s = %.40v: errors %v, want %v", tc.kind, tc.field, tc.value, got, want)
			continue
		}
		if !strings.HasPrefix(f.Detail, pointer+" ") || !strings.HasSuffix(f.Detail, f.Errors[0].Detail) {
			t.Errorf("%s %s: detail %q does not name the field", tc.kind, tc.field, f.Detail)
		}
		chinese := b.submit(t, body, language("zh-CN,zh;q=0.9"))
		if c := chinese.problem(t, http.StatusBadRequest, "invalid_request"); c.Errors[0].Detail == f.Errors[0].Detail ||
			chinese.Header.Get("Content-Language") != "zh" || strings.ContainsAny(c.Errors[0].Detail, "{}") {
			t.Errorf("%s %s: in Chinese %q", tc.kind, tc.field, c.Errors[0].Detail)
		}
	}
	for _, want := range []string{"image nologo", "image transparent", "audio format", "translation text"} {
		if !seen[want] {
			t.Errorf("no case for %s", want)
		}
	}
}

func TestDependentFields(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, tc := range []struct {
		name  string
		body  fields
		wants []string
	}{
		{"pixels", fields{"kind": "image", "input": fields{"prompt": "p", "width": 4096, "height": 4096 + 5}}, []string{"/input/height out_of_range"}},
		{"pixels of a model", fields{"kind": "image", "input": fields{"prompt": "p", "model": "klein", "width": 2048, "height": 2048}}, []string{"/input/width too_many_pixels"}},
		{"a reference", fields{"kind": "image", "input": fields{"prompt": "p", "model": "kontext", "reference_images": []any{"ftp://a.example"}}}, []string{"/input/reference_images/0 invalid_url"}},
		{"references of the wrong type", fields{"kind": "image", "input": fields{"prompt": "p", "model": "klein", "reference_images": []any{nil, "https://a.example", 1}}}, []string{"/input/reference_images/0 wrong_type", "/input/reference_images/2 wrong_type"}},
		{"too many references", fields{"kind": "image", "input": fields{"prompt": "p", "model": "kontext", "reference_images": []any{"https://a.example", "https://b.example"}}}, []string{"/input/reference_images too_many_items"}},
		{"voice of another model", fields{"kind": "audio", "input": fields{"text": "t", "model": "kokoro", "voice": "nova"}}, []string{"/input/voice unknown_value"}},
		{"no kind", fields{"input": fields{"prompt": "p"}}, []string{"/kind required"}},
		{"unknown kind", fields{"kind": "video", "input": fields{}}, []string{"/kind unknown_value"}},
		{"kind of the wrong type", fields{"kind": 7, "input": fields{}}, []string{"/kind wrong_type"}},
		{"no input", fields{"kind": "image"}, []string{"/input required"}},
		{"null input", fields{"kind": "image", "input": nil}, []string{"/input required"}},
		{"input of the wrong type", fields{"kind": "image", "input": "a lighthouse"}, []string{"/input wrong_type"}},
		{"nothing", fields{}, []string{"/kind required", "/input required"}},
		{"deadline", fields{"kind": "prompt", "input": fields{"text": "t"}, "deadline_seconds": 86401}, []string{"/deadline_seconds out_of_range"}},
		{"deadline of the wrong type", fields{"kind": "prompt", "input": fields{"text": "t"}, "deadline_seconds": "60"}, []string{"/deadline_seconds wrong_type"}},
		{
			"many at once",
			fields{"kind": "image", "owner": "root", "deadline_seconds": 0, "input": fields{"width": 1, "n": "x", "state": 1}},
			[]string{"/deadline_seconds out_of_range", "/input/n wrong_type", "/input/prompt required", "/input/state unknown_field", "/input/width out_of_range", "/owner unknown_field"},
		},
	} {
		f := b.submit(t, tc.body).problem(t, http.StatusBadRequest, "invalid_request")
		got := f.Errors.list()
		slices.Sort(got)
		slices.Sort(tc.wants)
		if !slices.Equal(got, tc.wants) {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.wants)
		}
	}
}

func TestDefaultsAreValidated(t *testing.T) {
	t.Parallel()
	b := setup(t, func(_ *server.Config, deps *server.Deps) {
		for i := range deps.Catalogue.Images {
			deps.Catalogue.Images[i].MaxPixels = 1_100_000
		}
	})
	for side, ok := range map[int]bool{1024: true, 1100: false} {
		resp := b.submit(t, fields{"kind": "image", "input": fields{"prompt": "p", "width": side, "height": side}})
		if ok {
			resp.expect(t, http.StatusAccepted)
		} else if f := resp.problem(t, http.StatusBadRequest, "invalid_request"); f.Errors.list()[0] != "/input/width too_many_pixels" {
			t.Errorf("got %v", f.Errors.list())
		}
		resp = b.post(t, "/api/generate", fields{"type": "image", "text": "p", "width": side, "height": side}, async)
		if ok {
			resp.expect(t, http.StatusAccepted)
		} else if f := resp.originalError(t, http.StatusBadRequest, "invalid_request"); f.Errors.list()[0] != "/width too_many_pixels" {
			t.Errorf("got %v", f.Errors.list())
		}
	}
}

func TestFieldErrorsAreLimited(t *testing.T) {
	t.Parallel()
	b := setup(t)
	body := `{"kind":"prompt","input":{"text":"t"}` + strings.Repeat(`,"`+strings.Repeat("n", 200)+`":1`, 1000) + `}`
	resp := b.submit(t, body)
	f := resp.problem(t, http.StatusBadRequest, "invalid_request")
	if len(f.Errors) > 20 || len(resp.body) > 16<<10 {
		t.Errorf("%d errors in %d bytes", len(f.Errors), len(resp.body))
	}
}

func TestSentencesExistInBothLanguages(t *testing.T) {
	t.Parallel()
	for _, lang := range []job.Lang{job.English, job.Chinese} {
		for _, tc := range inputCases() {
			if tc.want == "" {
				continue
			}
			if s := (job.FieldError{Code: tc.want}).Sentence(lang); s == tc.want {
				t.Errorf("no %s sentence for %s", lang, tc.want)
			}
		}
	}
}
