package server_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

func TestOriginalResponses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, path := range originalRoutes {
		b.work(t, kindOf(path), succeedJob)
		resp := b.post(t, path, originalBody(path)).expect(t, http.StatusOK)
		var got fields
		resp.decode(t, &got)
		switch kindOf(path) {
		case job.KindImage:
			data, err := base64.StdEncoding.DecodeString(got["data"].(string))
			must(t, err)
			if len(got) != 4 || got["type"] != "image" || got["format"] != "base64" || got["content_type"] != "image/jpeg" ||
				!bytes.Equal(data, bytes.Repeat([]byte("picture"), 100_000)) {
				t.Errorf("%s: %d fields, %d bytes", path, len(got), len(data))
			}
		case job.KindTranslation:
			if len(got) != 2 || got["translated_text"] != "better" || got["translated"] != true {
				t.Errorf("%s: %v", path, got)
			}
		case job.KindPrompt, job.KindAudio:
			if len(got) != 3 || got["optimized_text"] != "better" || got["raw_optimized"] != "better" || got["original_prompt"] != "a pond" {
				t.Errorf("%s: %v", path, got)
			}
		}
		id := resp.Header.Get("X-Job-Id")
		if id == "" || resp.Header.Get("Location") != "/api/jobs/"+id {
			t.Errorf("%s: job %q at %q", path, id, resp.Header.Get("Location"))
		}
		b.get(t, "/api/jobs/"+id).expect(t, http.StatusOK)
	}
	b.work(t, job.KindAudio, succeedJob)
	resp := b.post(t, "/api/generate", fields{"text": "hello", "type": "audio", "voice": "alloy", "speed": "1.5"})
	if resp.expect(t, http.StatusOK); string(resp.body) != "speech" || resp.Header.Get("Content-Type") != "audio/mpeg" {
		t.Errorf("audio: %s %q", resp.Header.Get("Content-Type"), resp.body)
	}
}

func TestOriginalFieldsReachTheJob(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, tc := range []struct {
		path string
		body fields
		want fields
	}{
		{
			"/api/generate",
			fields{"text": "p", "type": "image", "negative": "n", "model": "zimage", "width": "512", "height": 640, "seed": "42", "nologo": "true"},
			fields{"prompt": "p", "negative": "n", "model": "zimage", "width": 512.0, "height": 640.0, "seed": 42.0, "n": 1.0, "nologo": true},
		},
		{
			"/api/generate",
			fields{"text": "p", "type": "audio", "voice": "Alloy", "speed": 2, "width": ""},
			fields{"text": "p", "voice": "alloy", "model": "elevenlabs", "format": "wav", "speed": 2.0},
		},
		{
			// The original's page applies the speed itself when it plays the file.
			"/api/generate",
			fields{"text": "p", "type": "audio", "voice": "nova", "mode": "tts", "speed": 2},
			fields{"text": "p", "voice": "nova", "model": "elevenlabs", "format": "mp3"},
		},
		{
			"/api/generate",
			fields{"text": "p", "type": "audio", "voice": "nova", "mode": "tts", "speed": "0.5", "format": "wav"},
			fields{"text": "p", "voice": "nova", "model": "elevenlabs", "format": "wav"},
		},
		{
			"/api/generate",
			fields{"text": "p", "type": "audio", "voice": "nova", "mode": 7, "speed": 2},
			fields{"text": "p", "voice": "nova", "model": "elevenlabs", "format": "wav", "speed": 2.0},
		},
		{
			// The original's speech model is retired, but clients still request it.
			"/api/generate",
			fields{"text": "p", "type": "audio", "voice": "alloy", "model": "openai-audio"},
			fields{"text": "p", "voice": "alloy", "model": "elevenlabs", "format": "mp3"},
		},
		{
			"/api/pollinations/image",
			fields{"prompt": "p", "width": nil, "height": "", "seed": 0, "nologo": false},
			fields{"prompt": "p", "model": "flux", "width": 1024.0, "height": 1024.0, "seed": 0.0, "n": 1.0, "nologo": false},
		},
	} {
		v := b.post(t, tc.path, tc.body, async).job(t, http.StatusAccepted)
		if len(v.Input) != len(tc.want) {
			t.Errorf("%s %v: input %v", tc.path, tc.body, v.Input)
		}
		for name, want := range tc.want {
			if v.Input[name] != want {
				t.Errorf("%s: %s is %v, want %v", tc.path, name, v.Input[name], want)
			}
		}
	}
	var v view
	resp := b.post(t, "/api/pollinations/image", fields{"prompt": "p", "seed": -1}, async).expect(t, http.StatusAccepted)
	resp.decode(t, &v)
	if seed, ok := v.Input["seed"].(float64); !ok || seed < 0 || v.Status != "queued" {
		t.Errorf("random seed: %v", v.Input)
	}
	if resp.Header.Get("Preference-Applied") != "respond-async" || resp.Header.Get("Retry-After") != "1" {
		t.Errorf("headers %v", resp.Header)
	}
}

func TestOriginalValidationErrors(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, tc := range []struct {
		path, message string
		body          fields
	}{
		{"/api/generate", "text must not be empty; type must not be empty", fields{}},
		{"/api/generate", "type must not be empty", fields{"text": "p"}},
		{"/api/generate", "type must be one of: image, audio", fields{"text": "p", "type": "video"}},
		{"/api/generate", "text must not be empty", fields{"type": "image"}},
		{"/api/generate", "text must not be empty", fields{"type": "audio", "text": "  "}},
		{"/api/generate", "text must be a string", fields{"type": "audio", "text": 7}},
		{"/api/generate", "text must be at most 4000 characters", fields{"type": "image", "text": strings.Repeat("字", 4001)}},
		{"/api/generate", "width must be between 64 and 4096", fields{"type": "image", "text": "p", "width": "5000"}},
		{"/api/generate", "width must be an integer", fields{"type": "image", "text": "p", "width": "wide"}},
		{"/api/generate", "seed must be an integer", fields{"type": "image", "text": "p", "seed": 1.5}},
		{"/api/generate", "voice is not a voice of any speech model", fields{"type": "audio", "text": "p", "voice": "unknown"}},
		{"/api/generate", "speed must be between 0.25 and 4", fields{"type": "audio", "text": "p", "speed": 9}},
		{"/api/generate", "speed must be between 0.25 and 4", fields{"type": "audio", "text": "p", "speed": 9, "mode": "tts"}},
		{"/api/pollinations/image", "prompt must not be empty", fields{"text": "p"}},
		{"/api/pollinations/image", "prompt must be a string", fields{"prompt": []any{}}},
		{"/api/prompts/optimize", "text must not be empty", fields{}},
		{"/api/optimize", "text must be at most 4000 characters", fields{"text": strings.Repeat("a", 4001)}},
		{"/api/translate", "text must not be empty", fields{"text": ""}},
		{"/api/translate", "text must not contain control characters", fields{"text": "a\x00"}},
	} {
		resp := b.post(t, tc.path, tc.body)
		if f := resp.originalError(t, http.StatusBadRequest, "invalid_request"); f.Error != tc.message {
			t.Errorf("%s %.60v: %q, want %q", tc.path, tc.body, f.Error, tc.message)
		}
		if resp.Header.Get("X-Job-Id") != "" {
			t.Errorf("%s: a job was created", tc.path)
		}
	}
	var got fields
	b.post(t, "/api/translate", fields{"text": "\x00"}).decode(t, &got)
	if got["translated"] != false || got["translated_text"] != "\x00" {
		t.Errorf("translate: %v", got)
	}
	resp := b.post(t, "/api/generate", fields{"type": "image"}, language("zh"))
	if f := resp.originalError(t, http.StatusBadRequest, "invalid_request"); f.Error != "text 不能为空" {
		t.Errorf("in Chinese: %q", f.Error)
	}
}

func TestOriginalFailures(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, path := range originalRoutes {
		for _, code := range job.FailureCodes() {
			if code == job.CodeCanceledByUser {
				continue
			}
			want := http.StatusBadGateway
			switch code {
			case job.CodeModerated:
				want = http.StatusBadRequest
			case job.CodeThrottled:
				want = http.StatusServiceUnavailable
			}
			b.work(t, kindOf(path), failJob(code))
			resp := b.post(t, path, originalBody(path))
			f := resp.originalError(t, want, code)
			if f.Job != resp.Header.Get("X-Job-Id") || f.Error != job.FailureSentence(code, job.English) {
				t.Errorf("%s %s: %s", path, code, resp.body)
			}
			if (resp.Header.Get("Retry-After") != "") != (code == job.CodeThrottled) {
				t.Errorf("%s %s: Retry-After %q", path, code, resp.Header.Get("Retry-After"))
			}
			var echo fields
			resp.decode(t, &echo)
			switch kindOf(path) {
			case job.KindPrompt:
				if echo["optimized_text"] != "a pond" || echo["raw_optimized"] != "a pond" || echo["original_prompt"] != "a pond" {
					t.Errorf("%s: %s", path, resp.body)
				}
			case job.KindTranslation:
				if echo["translated_text"] != "a pond" || echo["translated"] != false {
					t.Errorf("%s: %s", path, resp.body)
				}
			case job.KindImage, job.KindAudio:
			}
		}
		b.work(t, kindOf(path), func(*job.Spec) (*job.Record, []store.Product) {
			return &job.Record{Status: job.StatusCanceled, Cancel: job.CancelWhileRunning}, nil
		})
		b.post(t, path, originalBody(path)).originalError(t, http.StatusConflict, "canceled")
	}
}

func TestOriginalStillRunning(t *testing.T) {
	t.Parallel()
	b := setup(t, func(cfg *server.Config, _ *server.Deps) { cfg.SyncWait = 20 * time.Millisecond })
	for _, path := range originalRoutes {
		resp := b.post(t, path, originalBody(path))
		f := resp.originalError(t, http.StatusGatewayTimeout, "still_running")
		id, _ := f.Job.(string)
		if id == "" || resp.Header.Get("Location") != "/api/jobs/"+id {
			t.Errorf("%s: %s", path, resp.body)
		}
		var v view
		b.get(t, "/api/jobs/"+id).decode(t, &v)
		if v.Status != "queued" {
			t.Errorf("%s: the job is %s", path, v.Status)
		}
	}
}

// submitAndDisconnect calls one of the original's routes, waits until its job is in the queue, calls before, and then
// disconnects.
func submitAndDisconnect(t *testing.T, b *bundle, before func(spec *job.Spec)) *job.Spec {
	t.Helper()
	c, owner := guest()
	ctx, disconnect := context.WithCancel(t.Context())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		resp, err := b.client.Do(b.newRequest(ctx, t, http.MethodPost, "/api/translate", fields{"text": "p"}, cookie(c)))
		if err == nil {
			_ = resp.Body.Close()
		}
	}()
	var id string
	eventually(t, "the job is in the queue", func() bool {
		ids := b.queued(t, owner)
		if len(ids) == 1 {
			id = ids[0]
		}
		return id != ""
	})
	entry := b.queueEntry(t, owner, id)
	before(entry.Spec)
	disconnect()
	<-gone
	return entry.Spec
}

func TestDisconnectCancelsAQueuedJob(t *testing.T) {
	t.Parallel()
	b := setup(t)
	spec := submitAndDisconnect(t, b, func(*job.Spec) {})
	eventually(t, "the job is canceled", func() bool {
		snap, err := b.jobs.Read(t.Context(), []string{spec.Owner}, spec.ID)
		must(t, err)
		return snap.Status() == job.StatusCanceled && snap.Record.Cancel == job.CancelBeforeStart
	})
	eventually(t, "the request is counted", func() bool {
		return b.metric(t, "http_requests_total", "/api/translate", "499") == 1
	})
	if strings.Contains(b.log.String(), `"level":"WARN"`) || strings.Contains(b.log.String(), `"level":"ERROR"`) {
		t.Errorf("warnings in the log: %s", b.log)
	}
}

func TestDisconnectKeepsARunningJob(t *testing.T) {
	t.Parallel()
	b := setup(t)
	spec := submitAndDisconnect(t, b, func(spec *job.Spec) {
		b.putProgress(t, spec.Owner, &job.Progress{ID: spec.ID, Status: job.StatusRunning, Delivery: 1, Step: 1, Attempt: 1})
	})
	eventually(t, "the request has ended", func() bool {
		return b.metric(t, "http_requests_total", "/api/translate", "499") == 1
	})
	snap, err := b.jobs.Read(t.Context(), []string{spec.Owner}, spec.ID)
	must(t, err)
	if snap.Status() != job.StatusRunning {
		t.Errorf("the job is %s", snap.Status())
	}
}
