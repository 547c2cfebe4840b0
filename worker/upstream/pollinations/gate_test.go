package pollinations_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream/pollinations"
	"github.com/text2image-audio/text2image-audio/worker/upstream/upstreamtest"
)

// slow is a transport that responds with the same image after a while.
type slow struct {
	picture []byte
	takes   time.Duration
	calls   int
}

func (s *slow) RoundTrip(r *http.Request) (*http.Response, error) {
	s.calls++
	select {
	case <-time.After(s.takes):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"image/jpeg"}},
		ContentLength: int64(len(s.picture)), Body: io.NopCloser(bytes.NewReader(s.picture)), Request: r,
	}, nil
}

// guarded returns a client of the legacy services over a transport, in the style of their hosts.
func guarded(t *testing.T, transport http.RoundTripper, options ...func(*pollinations.Config)) *pollinations.Client {
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

// One call at a time, 45 seconds apart; whoever comes between is told when to come again and is not kept waiting.
func TestOneCallAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := &slow{picture: jpegOf(t, 9, 9), takes: 10 * time.Second}
		client := guarded(t, service)
		cat := pollinations.ImageRequest{Prompt: "cat"}
		first := make(chan error, 1)
		go func() {
			_, err := client.Image(t.Context(), cat)
			first <- err
		}()
		refusedFor := func(want time.Duration) {
			t.Helper()
			begun := time.Now()
			_, err := client.Image(t.Context(), cat)
			upstreamtest.RequireError(t, err, fault.Throttled, job.CodeThrottled)
			f := upstreamtest.Error(t, err)
			if f.RetryAfter != want || f.Upstream != job.UpstreamImage || f.Status != 0 {
				t.Errorf("wait %v of %s, want %v", f.RetryAfter, f.Upstream, want)
			}
			if took := time.Since(begun); took != 0 {
				t.Errorf("waited %v holding a slot", took)
			}
		}
		synctest.Wait()
		time.Sleep(5 * time.Second)
		refusedFor(40 * time.Second)
		// The other service has a turn of its own, and lets nobody through twice either.
		_, err := client.Speech(t.Context(), pollinations.SpeechRequest{Text: "cat"})
		upstreamtest.RequireError(t, err, fault.Retryable, job.CodeInvalidAnswer)
		_, err = client.Speech(t.Context(), pollinations.SpeechRequest{Text: "cat"})
		upstreamtest.RequireError(t, err, fault.Throttled, job.CodeThrottled)
		if wait := upstreamtest.Error(t, err).RetryAfter; wait != 20*time.Second {
			t.Errorf("wait %v", wait)
		}
		if err := <-first; err != nil {
			t.Error(err)
		}
		time.Sleep(20 * time.Second)
		refusedFor(10 * time.Second)
		time.Sleep(10 * time.Second)
		if _, err := client.Image(t.Context(), cat); err != nil {
			t.Error(err)
		}
		if service.calls != 3 {
			t.Errorf("%d calls", service.calls)
		}
	})
}

// A call that lasts longer than the spacing still keeps others out, and one that was given up does not for ever.
func TestLongCallKeepsItsTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := guarded(t, &slow{picture: jpegOf(t, 9, 9), takes: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		first := make(chan error, 1)
		go func() {
			_, err := client.Image(ctx, pollinations.ImageRequest{Prompt: "cat"})
			first <- err
		}()
		synctest.Wait()
		time.Sleep(50 * time.Second)
		_, err := client.Image(t.Context(), pollinations.ImageRequest{Prompt: "dog"})
		upstreamtest.RequireError(t, err, fault.Throttled, job.CodeThrottled)
		if wait := upstreamtest.Error(t, err).RetryAfter; wait != 5*time.Second {
			t.Errorf("wait %v", wait)
		}
		upstreamtest.RequireError(t, <-first, fault.Retryable, job.CodeTimeout)
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = client.Image(short, pollinations.ImageRequest{Prompt: "dog"})
		upstreamtest.RequireError(t, err, fault.Retryable, job.CodeTimeout)
	})
}

// A gate of the caller's own is asked for every call to a legacy service, and released after each.
func TestOwnGate(t *testing.T) {
	t.Parallel()
	var log []string
	service := &slow{picture: jpegOf(t, 9, 9)}
	gate := func(_ context.Context, name string) (func(), error) {
		log = append(log, "take "+name)
		return func() { log = append(log, fmt.Sprintf("free %s after %d", name, service.calls)) }, nil
	}
	client := guarded(t, service, func(c *pollinations.Config) { c.Gate = gate })
	if _, err := client.Image(t.Context(), pollinations.ImageRequest{Prompt: "cat"}); err != nil {
		t.Error(err)
	}
	if _, err := client.Image(t.Context(), pollinations.ImageRequest{Prompt: "cat"}); err != nil {
		t.Error(err)
	}
	if _, err := client.Speech(t.Context(), pollinations.SpeechRequest{Text: "cat"}); err == nil {
		t.Error("an image was taken for speech")
	}
	want := "[take pollinations-image free pollinations-image after 1 take pollinations-image free pollinations-image after 2 " +
		"take pollinations-speech free pollinations-speech after 3]"
	if fmt.Sprint(log) != want {
		t.Errorf("log %v", log)
	}
	// The gateway needs no gate.
	log = nil
	modern := guarded(t, service, func(c *pollinations.Config) { c.Gate, c.ImageStyle = gate, pollinations.StyleGen })
	if _, err := modern.Image(t.Context(), pollinations.ImageRequest{Prompt: "cat"}); err != nil || log != nil {
		t.Errorf("log %v, %v", log, err)
	}
}

func TestGateRefuses(t *testing.T) {
	t.Parallel()
	lost := errors.New("store is away")
	for name, r := range map[string]struct {
		gives error
		class fault.Class
	}{
		"busy":      {pollinations.Busy(job.UpstreamImage, time.Minute), fault.Throttled},
		"store":     {lost, ""},
		"given up":  {context.Canceled, fault.Canceled},
		"no reason": {nil, "done"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			service := &slow{picture: jpegOf(t, 9, 9)}
			client := guarded(t, service, func(c *pollinations.Config) {
				c.Gate = func(context.Context, string) (func(), error) {
					if errors.Is(r.gives, context.Canceled) {
						cancel()
					}
					return nil, r.gives
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
				t.Error("the service was asked")
			}
		})
	}
}
