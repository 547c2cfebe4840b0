package server_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/catalogue"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// TestOriginalRoutesReplaceRetiredModels requests models that are no longer served. Pages of the original request some of
// them and do not show errors.
func TestOriginalRoutesReplaceRetiredModels(t *testing.T) {
	t.Parallel()
	// The upstream's lists, without most of the built-in models.
	lists := catalogue.Merge(&job.Catalogue{
		Source: job.SourceUpstream,
		Images: []job.Model{{Name: "zimage"}, {Name: "klein", MaxPixels: 1 << 20}},
		Speech: []job.Model{{Name: "elevenlabs", Voices: []string{"alloy", "nova"}}},
	}, catalogue.Builtin())
	builtin := setup(t)
	listed := setup(t, func(_ *server.Config, deps *server.Deps) {
		deps.Models = func(context.Context) *job.Catalogue { return lists }
	})
	image := func(model string) fields { return fields{"text": "p", "type": "image", "model": model} }
	prompt := func(model string) fields { return fields{"prompt": "p", "model": model} }
	speech := func(model string) fields { return fields{"text": "p", "type": "audio", "model": model} }
	for _, tc := range []struct {
		b                    *bundle
		path                 string
		body                 fields
		model, warning, code string
	}{
		{builtin, "/api/generate", image("turbo"), "zimage", `299 - "The model turbo is retired; zimage was used."`, ""},
		{builtin, "/api/generate", image("TURBO"), "zimage", `299 - "The model turbo is retired; zimage was used."`, ""},
		{builtin, "/api/pollinations/image", prompt("turbo"), "zimage", `299 - "The model turbo is retired; zimage was used."`, ""},
		{builtin, "/api/generate", speech("openai-audio"), "elevenlabs", `299 - "The model openai-audio is retired; elevenlabs was used."`, ""},
		{builtin, "/api/generate", image("flux"), "flux", "", ""},
		{builtin, "/api/generate", image(""), "flux", "", ""},
		{builtin, "/api/generate", image("unknown"), "", "", "unknown_value"},
		{builtin, "/api/generate", speech("unknown"), "", "", "unknown_value"},
		{listed, "/api/generate", image("turbo"), "zimage", `299 - "The model turbo is retired; zimage was used."`, ""},
		{listed, "/api/generate", image("flux"), "zimage", `299 - "The model flux is retired; zimage was used."`, ""},
		{listed, "/api/pollinations/image", prompt("sana"), "zimage", `299 - "The model dreamshaper is retired; zimage was used."`, ""},
		{listed, "/api/generate", image("klein"), "klein", "", ""},
		{listed, "/api/generate", speech("kokoro"), "elevenlabs", `299 - "The model kokoro is retired; elevenlabs was used."`, ""},
		{listed, "/api/generate", image("unknown"), "", "", "unknown_value"},
	} {
		resp := tc.b.post(t, tc.path, tc.body, async)
		if got := resp.Header.Get("Warning"); got != tc.warning {
			t.Errorf("%v: warning %q, want %q", tc.body, got, tc.warning)
		}
		if tc.code != "" {
			if f := resp.originalError(t, http.StatusBadRequest, "invalid_request"); len(f.Errors) != 1 || f.Errors[0].Code != tc.code {
				t.Errorf("%v: %s", tc.body, resp.body)
			}
			continue
		}
		var v view
		resp.expect(t, http.StatusAccepted).decode(t, &v)
		if v.Input["model"] != tc.model {
			t.Errorf("%v: %v, want %s", tc.body, v.Input, tc.model)
		}
	}
	// The warning is sent with the image and with the error of a failed job.
	withWorker := setup(t)
	for end, status := range map[string]int{"": http.StatusOK, job.CodeRejected: http.StatusBadGateway} {
		if end == "" {
			withWorker.work(t, job.KindImage, succeedJob)
		} else {
			withWorker.work(t, job.KindImage, failJob(end))
		}
		if resp := withWorker.post(t, "/api/generate", image("turbo")); resp.StatusCode != status || resp.Header.Get("Warning") == "" {
			t.Errorf("status %d, headers %v", resp.StatusCode, resp.Header)
		}
	}
	// Native routes return the error.
	for kind, input := range map[string]fields{"image": {"prompt": "p", "model": "turbo"}, "audio": {"text": "p", "model": "openai-audio"}} {
		resp := builtin.submit(t, fields{"kind": kind, "input": input})
		if f := resp.problem(t, http.StatusBadRequest, "invalid_request"); len(f.Errors) != 1 || f.Errors[0].Code != "retired_model" || resp.Header.Get("Warning") != "" {
			t.Errorf("%s: %s", kind, resp.body)
		}
	}
}
