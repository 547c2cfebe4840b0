package sse_test

import (
	"net/http/httptest"
	"regexp"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/server/internal/sse"
)

func TestStream(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	s, err := sse.Open(w, "7")
	if err != nil {
		t.Fatal(err)
	}
	for _, send := range []func() error{
		func() error { return s.Send("running", "8", []byte(`{"n":1}`)) },
		func() error { return s.Send("queued", "", []byte(`{}`)) },
		s.KeepAlive,
	} {
		if err := send(); err != nil {
			t.Fatal(err)
		}
	}
	s.SendRandomRetry()
	want := `^retry: 2000\nid: 7\n\nevent: running\nid: 8\ndata: {"n":1}\n\nevent: queued\ndata: {}\n\n: keep-alive\n\nretry: [1-4]\d{3}\n\n$`
	if got := w.Body.String(); !regexp.MustCompile(want).MatchString(got) {
		t.Errorf("stream %q", got)
	}
	if got := w.Header().Get("Content-Type"); got != "text/event-stream" || !w.Flushed {
		t.Errorf("content type %q, flushed %v", got, w.Flushed)
	}
}
