package pollinations_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream/pollinations"
)

// counter is a transport that responds with an image and counts the calls.
type counter struct {
	image []byte
	calls int
}

func (s *counter) RoundTrip(r *http.Request) (*http.Response, error) {
	s.calls++
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"image/jpeg"}},
		ContentLength: int64(len(s.image)), Body: io.NopCloser(bytes.NewReader(s.image)), Request: r,
	}, nil
}

// newLegacyClient returns a client for the hosts of the legacy services with a transport.
func newLegacyClient(t *testing.T, transport http.RoundTripper, options ...func(*pollinations.Config)) *pollinations.Client {
	t.Helper()
	cfg := pollinations.Config{
		BaseURL: "https://image.pollinations.ai", SpeechBaseURL: "https://text.pollinations.ai", HTTP: &http.Client{Transport: transport},
	}
	for _, option := range options {
		option(&cfg)
	}
	client, err := pollinations.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// The gate is called for every call to a legacy service, and released after each.
func TestGate(t *testing.T) {
	t.Parallel()
	var log []string
	service := &counter{image: jpegOf(t, 9, 9)}
	gate := func(_ context.Context, name string) (func(), error) {
		log = append(log, "take "+name)
		return func() { log = append(log, fmt.Sprintf("free %s after %d", name, service.calls)) }, nil
	}
	client := newLegacyClient(t, service, func(c *pollinations.Config) { c.Gate = gate })
	if _, err := client.Image(t.Context(), pollinations.ImageRequest{Prompt: "cat"}); err != nil {
		t.Error(err)
	}
	if _, err := client.Image(t.Context(), pollinations.ImageRequest{Prompt: "cat"}); err != nil {
		t.Error(err)
	}
	if _, err := client.Speech(t.Context(), pollinations.SpeechRequest{Text: "cat"}); err == nil {
		t.Error("Speech accepted an image")
	}
	want := "[take pollinations-image free pollinations-image after 1 take pollinations-image free pollinations-image after 2 " +
		"take pollinations-speech free pollinations-speech after 3]"
	if fmt.Sprint(log) != want {
		t.Errorf("log %v", log)
	}
	// The gateway needs no gate.
	log = nil
	modern := newLegacyClient(t, service, func(c *pollinations.Config) { c.Gate, c.ImageStyle = gate, pollinations.StyleGen })
	if _, err := modern.Image(t.Context(), pollinations.ImageRequest{Prompt: "cat"}); err != nil || log != nil {
		t.Errorf("log %v, %v", log, err)
	}
}

func TestGateErrors(t *testing.T) {
	t.Parallel()
	lost := errors.New("store is unavailable")
	for name, r := range map[string]struct {
		err   error
		class fault.Class
	}{
		"busy":     {pollinations.Busy(job.UpstreamImage, time.Minute), fault.Throttled},
		"store":    {lost, ""},
		"canceled": {context.Canceled, fault.Canceled},
		"no error": {nil, "done"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			service := &counter{image: jpegOf(t, 9, 9)}
			client := newLegacyClient(t, service, func(c *pollinations.Config) {
				c.Gate = func(context.Context, string) (func(), error) {
					if errors.Is(r.err, context.Canceled) {
						cancel()
					}
					return nil, r.err
				}
			})
			_, err := client.Image(ctx, pollinations.ImageRequest{Prompt: "cat"})
			switch f, is := errors.AsType[*fault.Error](err); {
			case r.class == "done":
				if err != nil || service.calls != 1 {
					t.Errorf("a gate without a release: %v, %d calls", err, service.calls)
				}
				return
			case r.class == "":
				if is || !errors.Is(err, lost) {
					t.Errorf("got %v", err)
				}
			case !is || f.Class != r.class:
				t.Errorf("got %v", err)
			}
			if service.calls != 0 {
				t.Error("the service was called")
			}
		})
	}
}
