package job_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

func referenceChecks() map[string]check {
	checks := map[string]check{}
	with := func(model string, urls ...string) job.Input {
		return image(func(in *job.ImageInput) { in.Model, in.ReferenceImages = model, urls })
	}
	const good = "https://pictures.example/a.png"
	long := func(n int) string { return good + "?" + strings.Repeat("x", n-len(good)-1) }
	for _, raw := range []string{
		good, "http://pictures.example", "https://pictures.example:8443/a/b?c=d&e=%2C%7C", "http://[2001:db8::1]/x", "https://pictures.example/画.png",
		long(2048),
	} {
		checks["good "+raw] = check{in: with("kontext", raw)}
	}
	for _, raw := range []string{
		"", "pictures.example/a.png", "/a.png", "//pictures.example/a.png", "ftp://pictures.example/a", "data:image/png;base64,AAAA",
		"javascript:alert(1)", "file:///etc/passwd", "http:pictures", "http://", "http:///a", "http://:80/a", "http://user@pictures.example/a",
		"http://user:word@pictures.example/a", good + "#part", good + "#", good + "|" + good, good + "," + good, good + " ", " " + good,
		"https://pictures.example/a b", "https://pictures.example/a\nb", "https://pictures.example\\a", "http://pictures.example:port/", "http://%zz/",
		"https://pictures.example/\u00a0",
	} {
		checks["bad "+raw] = check{with("kontext", raw), one("/reference_images/0 invalid_url")}
	}
	for _, raw := range []string{"upload:0199d0f4-6b01", "job:0199d0f4-6b01/0", "job:a/3"} {
		checks["stored "+raw] = check{in: with("kontext", raw)}
	}
	for _, raw := range []string{"upload:", "upload:a/b", "upload:a.b", "upload:*", "job:", "job:a", "job:a/", "job:a/x", "job:a/-1", "job:a/01", "job:/0", "job:a/1/2", "job:>/0"} {
		checks["malformed "+raw] = check{with("kontext", raw), one("/reference_images/0 invalid_reference")}
	}
	for label, c := range map[string]check{
		"at the limit":             {with("kontext", good, good), nil},
		"by alias":                 {with("EDIT", good), nil},
		"one too many":             {with("kontext", good, good, good), one("/reference_images too_many_items")},
		"model without references": {with("flux", good), one("/reference_images not_for_model")},
		"model without, invalid":   {with("flux", "x"), one("/reference_images not_for_model")},
		"default model":            {with("", good), nil},
		"unknown model":            {with("nope", good), one("/model unknown_value")},
		"too long":                 {with("kontext", long(2049)), one("/reference_images/0 too_long")},
		"second invalid":           {with("kontext", good, "x"), one("/reference_images/1 invalid_url")},
		"both invalid":             {with("kontext", "y", "x"), []string{"/reference_images/0 invalid_url", "/reference_images/1 invalid_url"}},
		"sixty-four":               {with("boundless", strings.Split(strings.Repeat(good+" ", 63)+good, " ")...), nil},
		"over the general limit":   {with("boundless", strings.Split(strings.Repeat(good+" ", 64)+good, " ")...), one("/reference_images too_many_items")},
	} {
		checks[label] = c
	}
	checks["an empty list"] = check{with("kontext", make([]string, 0)...), one("/reference_images required")}
	return checks
}

// TestFingerprintOfImageOptions checks that image options are part of the fingerprint.
func TestFingerprintOfImageOptions(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for name, change := range map[string]func(*job.ImageInput){
		"plain":             func(*job.ImageInput) {},
		"safe":              func(in *job.ImageInput) { in.Safe = "true" },
		"other safe":        func(in *job.ImageInput) { in.Safe = "nsfw" },
		"reference":         func(in *job.ImageInput) { in.ReferenceImages = []string{"https://a.example"} },
		"reference, twice":  func(in *job.ImageInput) { in.ReferenceImages = []string{"https://a.example", "https://a.example"} },
		"guidance":          func(in *job.ImageInput) { in.GuidanceScale = ptr(0.0) },
		"stronger guidance": func(in *job.ImageInput) { in.GuidanceScale = ptr(1.0) },
		"reasoning":         func(in *job.ImageInput) { in.Reasoning = "fast" },
	} {
		mark, err := job.Fingerprint(job.KindImage, image(change), nil)
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[mark]; ok {
			t.Errorf("%s and %s have the same fingerprint", name, other)
		}
		seen[mark] = name
	}
}

// FuzzReference checks that the upstream, which splits the list at bars and commas, fetches exactly the accepted URLs.
func FuzzReference(f *testing.F) {
	for _, seed := range []string{"https://a.example/x", "http://a,b|c", "https://u:p@a/", "http://[::1]:80/#x", "HTTP://A/%7C\u2028"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		in := &job.ImageInput{Prompt: "p", Model: "kontext", ReferenceImages: []string{raw, "https://a.example/x"}}
		if len(in.Validate(testCatalogue())) > 0 {
			return
		}
		parts := strings.FieldsFunc(strings.Join(in.ReferenceImages, "|"), func(r rune) bool { return r == '|' || r == ',' })
		u, err := url.Parse(parts[0])
		if len(parts) != 2 || parts[0] != raw || err != nil || u.User != nil || u.Host == "" || u.Fragment != "" ||
			(u.Scheme != "http" && u.Scheme != "https") {
			t.Errorf("%q was accepted: %q, %v", raw, parts, err)
		}
	})
}
