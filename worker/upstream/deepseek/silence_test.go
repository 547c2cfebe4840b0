package deepseek_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream/deepseek"
)

// piped is a transport whose response body is written by the test.
type piped struct {
	write func(context.Context, io.Writer)
}

func (p piped) RoundTrip(r *http.Request) (*http.Response, error) {
	out, in := io.Pipe()
	// The function is never stopped, since a stop could still prevent it right after Done is closed.
	context.AfterFunc(r.Context(), func() { _ = in.CloseWithError(r.Context().Err()) })
	go p.write(r.Context(), in)
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, ContentLength: -1, Body: out}, nil
}

const thought = `{"choices":[{"index":0,"delta":{"content":null,"reasoning_content":"hm"},"finish_reason":null}]}`

// A stream without text must not occupy a slot until the deadline; a slow one may continue.
func TestSilence(t *testing.T) {
	t.Parallel()
	pause := func(ctx context.Context, d time.Duration) bool {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(d):
			return true
		}
	}
	forever := func(sign string) func(context.Context, io.Writer) {
		return func(ctx context.Context, w io.Writer) {
			for pause(ctx, time.Second) {
				_, _ = io.WriteString(w, sign)
			}
		}
	}
	rows := []struct {
		name  string
		write func(context.Context, io.Writer)
		takes time.Duration
		fails bool
	}{
		{"comments for ever", forever(": keep-alive\n\n"), time.Minute, true},
		{"blank lines for ever", forever("\n"), time.Minute, true},
		{"idle after the first text", func(_ context.Context, w io.Writer) { _, _ = io.WriteString(w, stream(role, hello)) }, time.Minute, true},
		{"idle inside a document", func(_ context.Context, w io.Writer) { _, _ = io.WriteString(w, `{"choices":`) }, time.Minute, true},
		{"empty pieces for ever", forever(stream(says(""))), time.Minute, true},
		{"one text, then empty pieces for ever", func(ctx context.Context, w io.Writer) {
			_, _ = io.WriteString(w, stream(hello))
			forever(stream(says("")))(ctx, w)
		}, time.Minute, true},
		{"thoughts for ever", forever(stream(thought)), 3 * time.Minute, true},
		{"some thoughts", func(ctx context.Context, w io.Writer) {
			for range 100 {
				pause(ctx, time.Second)
				_, _ = io.WriteString(w, stream(thought))
			}
			_, _ = io.WriteString(w, stream(hello, end("stop"), "[DONE]"))
		}, 100*time.Second + 250*time.Millisecond, false},
		{"slow", func(ctx context.Context, w io.Writer) {
			for range 5 {
				pause(ctx, 50*time.Second)
				_, _ = io.WriteString(w, stream(hello))
			}
			_, _ = io.WriteString(w, stream(endWithUsage("stop"), "[DONE]"))
		}, 250*time.Second + 250*time.Millisecond, false},
		{"silent after its end", func(_ context.Context, w io.Writer) {
			_, _ = io.WriteString(w, stream(hello, end("stop")))
		}, 3 * time.Second, false},
		{"comments after its end", func(ctx context.Context, w io.Writer) {
			_, _ = io.WriteString(w, stream(hello, end("stop")))
			forever(": keep-alive\n\n")(ctx, w)
		}, 3 * time.Second, false},
		{"events after its end", func(ctx context.Context, w io.Writer) {
			_, _ = io.WriteString(w, stream(hello, end("stop")))
			forever(stream(`{"choices":[]}`))(ctx, w)
		}, 3 * time.Second, false},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client, err := deepseek.New(deepseek.Config{URL: "http://example.org", HTTP: &http.Client{Transport: piped{r.write}}})
				if err != nil {
					t.Fatal(err)
				}
				begun := time.Now()
				got, err := client.Improve(t.Context(), canaryPrompt, nil)
				if took := time.Since(begun); took != r.takes {
					t.Errorf("took %v, want %v", took, r.takes)
				}
				if r.fails {
					requireFault(t, err, fault.Retryable, job.CodeTimeout)
				} else if err != nil || !strings.HasPrefix(got.Text, "A red") {
					t.Errorf("got %q, %v", got.Text, err)
				}
			})
		})
	}
}

func TestCanceled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, err := deepseek.New(deepseek.Config{URL: "http://example.org", HTTP: &http.Client{Transport: piped{func(_ context.Context, w io.Writer) {
			_, _ = io.WriteString(w, stream(hello))
		}}}})
		if err != nil {
			t.Fatal(err)
		}
		why := errors.New("job was canceled")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(why) })
		_, err = client.Improve(ctx, "fox", nil)
		requireFault(t, err, fault.Canceled, fault.CodeCanceled)
		if !errors.Is(err, why) {
			t.Errorf("got %v", err)
		}
	})
}
