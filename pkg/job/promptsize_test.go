package job_test

import (
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

func TestValidateURLSize(t *testing.T) {
	t.Parallel()
	const limit = 900
	for name, r := range map[string]struct {
		change func(*job.ImageInput)
		limit  int
		bad    bool
	}{
		"at the limit":               {func(in *job.ImageInput) { in.Prompt = strings.Repeat("a", limit) }, limit, false},
		"over the limit":             {func(in *job.ImageInput) { in.Prompt = strings.Repeat("a", limit+1) }, limit, true},
		"without a limit":            {func(in *job.ImageInput) { in.Prompt = strings.Repeat("a", limit+1) }, 0, false},
		"surrounding space":          {func(in *job.ImageInput) { in.Prompt = " " + strings.Repeat("a", limit) + "\n" }, limit, false},
		"as much Chinese as can be":  {func(in *job.ImageInput) { in.Prompt = strings.Repeat("猫", limit/9) }, limit, false},
		"one Chinese character more": {func(in *job.ImageInput) { in.Prompt = strings.Repeat("猫", limit/9+1) }, limit, true},
		"with a negative prompt":     {func(in *job.ImageInput) { in.Prompt, in.Negative = strings.Repeat("a", limit), "b" }, limit, true},
		"with reference images": {func(in *job.ImageInput) {
			in.ReferenceImages = []string{"https://a.example/" + strings.Repeat("p", limit)}
		}, limit, true},
		"with short references":        {func(in *job.ImageInput) { in.ReferenceImages = []string{"https://a.example/p"} }, limit, false},
		"a sign that grows in the URL": {func(in *job.ImageInput) { in.Prompt = strings.Repeat("%", limit/3+1) }, limit, true},
	} {
		c := testCatalogue()
		c.MaxPromptBytes = r.limit
		in := image(r.change)
		// Another rule checks whether the model accepts reference images.
		var found []job.FieldError
		for _, fault := range in.Validate(c) {
			if fault.Code == "too_long_in_address" {
				found = append(found, fault)
			}
		}
		switch {
		case (len(found) == 1) != r.bad:
			t.Errorf("%s: %v", name, found)
		case r.bad && found[0].Pointer != "/prompt":
			t.Errorf("%s: at %s", name, found[0].Pointer)
		case r.bad:
			readable(t, found[0])
		}
	}
}
