package simulator_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/audiotest"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/wiretest"
)

// fuzzed serves requests without a connection, for fuzz tests.
type fuzzed struct{ *simulator.Simulator }

func newFuzzed(f *testing.F, config simulator.Config) fuzzed {
	f.Helper()
	s := simulator.New(config)
	f.Cleanup(func() { _ = s.Stop(f.Context()) })
	return fuzzed{s}
}

// serve serves a request with a raw query and header fields in pairs of name and
// value. Earlier calls are forgotten, so that they do not accumulate.
func (s fuzzed) serve(t *testing.T, method, path, query, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	s.ForgetCalls()
	return wiretest.Serve(t, s.Handler(), method, path, query, body, header...)
}

// smallQuery returns the query with a small size where it has none. It skips large
// images, which are only slow.
func smallQuery(t *testing.T, query string) string {
	t.Helper()
	values, _ := url.ParseQuery(query)
	if len(values.Get("width")) > 3 || len(values.Get("height")) > 3 {
		t.Skip("only slow")
	}
	if values.Get("width") == "" || values.Get("height") == "" {
		return "width=8&height=8&" + query
	}
	return query
}

// FuzzChat sends any body to every chat route. The response is JSON or a stream, and
// never a server error.
func FuzzChat(f *testing.F) {
	f.Add(wiretest.ChatBody("", wiretest.Improver, "a cat"))
	f.Add(wiretest.ChatBody(wiretest.Quiet+`"stream":true,`, wiretest.Translator, "一只猫"))
	f.Add(wiretest.ChatBody(`"stop":["a"],"max_tokens":2,`, wiretest.Translator, "a the of"))
	f.Add(`{"model":"deepseek-flash","messages":[{"role":"user","content":[{"type":"text","text":"x"}]}]}`)
	f.Add(`{"model":"deepseek-flash","messages":[{"role":"user","content":null}],"stop":"x"}`)
	f.Add(wiretest.SiliconFlowBody(`"enable_thinking":false,"stop":["x"],`, "a cat"))
	f.Add(wiretest.SpokenBody("hello"))
	f.Add(`{"model":"openai-audio","stream":true,"messages":[{"role":"user","content":"x"}]}`)
	f.Add(`[]`)
	f.Add("\x00")
	s := newFuzzed(f, simulator.Config{})
	f.Fuzz(func(t *testing.T, body string) {
		for _, path := range []string{"/deepseek/chat/completions", "/v1/chat/completions", "/siliconflow/v1/chat/completions", "/legacy-text/openai"} {
			recorder := s.serve(t, http.MethodPost, path, "", body, "Authorization", "Bearer sk_test")
			isStream := strings.HasPrefix(recorder.Header().Get("Content-Type"), "text/event-stream")
			if recorder.Code >= 500 || (!isStream && !json.Valid(recorder.Body.Bytes())) {
				t.Fatalf("status %d: %q", recorder.Code, recorder.Body)
			}
		}
	})
}

// FuzzImageQuery sends any path and query.
func FuzzImageQuery(f *testing.F) {
	f.Add("a cat", "width=64&height=64&model=flux&seed=-1")
	f.Add("%", "width=9&height=%zz&&=&seed=1e3;a=b")
	f.Add("a fox", "model=klein&width=8&height=8&image=https%3A%2F%2Fa.example%2Fx%7Cb,&safe=nsfw,Privacy&guidance_scale=1e1&reasoning=pro")
	f.Add("/../", "model=gptimage&transparent=true&width=3&height=3")
	s := newFuzzed(f, simulator.Config{})
	f.Fuzz(func(t *testing.T, prompt, query string) {
		recorder := s.serve(t, http.MethodGet, "/image/"+url.PathEscape(prompt), smallQuery(t, query), "", "Authorization", "Bearer sk_test")
		if recorder.Code >= 500 {
			t.Fatalf("status %d: %q", recorder.Code, recorder.Body)
		}
	})
}

// FuzzLegacy sends any path and query to both legacy hosts.
func FuzzLegacy(f *testing.F) {
	f.Add("a cat", "width=64&height=64&model=flux&seed=-1&nologo=true")
	f.Add("/../", "model=gptimage&transparent=true&width=3&height=3&enhance=true")
	f.Add("hello", "model=openai-audio&voice=nova")
	f.Add("hello", "stream=true&json=true&system=x;y=%zz")
	s := newFuzzed(f, simulator.Config{CacheBytes: 1})
	f.Fuzz(func(t *testing.T, prompt, query string) {
		query = smallQuery(t, query)
		for _, path := range []string{"/legacy-image/prompt/", "/legacy-image/", "/legacy-text/"} {
			recorder := s.serve(t, http.MethodGet, path+url.PathEscape(prompt), query, "")
			if recorder.Code >= 500 || recorder.Code == http.StatusTooManyRequests {
				t.Fatalf("%s: status %d: %q", path, recorder.Code, recorder.Body)
			}
		}
	})
}

// FuzzSpeech speaks any text. The response consists of complete frames.
func FuzzSpeech(f *testing.F) {
	f.Add("hello", "nova")
	f.Add("\x00\xff，。...\n", "")
	f.Add("一只猫 and a dog 🙂", "onyx")
	s := newFuzzed(f, simulator.Config{})
	f.Fuzz(func(t *testing.T, text, voice string) {
		body, err := json.Marshal(map[string]string{"input": text, "voice": voice})
		if err != nil {
			t.Fatal(err)
		}
		recorder := s.serve(t, http.MethodPost, "/v1/audio/speech", "", string(body), "Authorization", "Bearer sk_test")
		switch {
		case recorder.Code == http.StatusOK:
			audiotest.SplitMP3(t, recorder.Body.Bytes())
		case recorder.Code != http.StatusBadRequest:
			t.Fatalf("status %d: %q", recorder.Code, recorder.Body)
		}
	})
}
