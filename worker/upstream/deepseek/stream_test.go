package deepseek_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream/deepseek"
)

// says returns an event with a piece of text.
func says(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf(`{"choices":[{"index":0,"delta":{"content":%s},"finish_reason":null}]}`, quoted)
}

// update is one call of onText.
type update struct {
	at   time.Duration
	text string
}

// improve calls Improve on a model that streams as given, and returns the calls of onText.
func improve(t *testing.T, write func(context.Context, io.Writer)) (updates []update, got deepseek.Completion, err error) {
	t.Helper()
	client, err := deepseek.New(deepseek.Config{URL: "http://example.org", HTTP: &http.Client{Transport: piped{write}}})
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	got, err = client.Improve(t.Context(), "fox", func(soFar string) {
		updates = append(updates, update{time.Since(begun), soFar})
	})
	return updates, got, err
}

// onText is called with the first words at once, then at most five times a second, and with the whole text at the end.
func TestOnText(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		updates, got, err := improve(t, func(_ context.Context, w io.Writer) {
			_, _ = io.WriteString(w, stream(role, think))
			for n := range 100 {
				time.Sleep(30 * time.Millisecond)
				_, _ = io.WriteString(w, stream(says(fmt.Sprintf("word%d ", n))))
			}
			_, _ = io.WriteString(w, stream(end("stop"), "[DONE]"))
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(updates) < 10 || len(updates) > 17 {
			t.Errorf("%d updates in three seconds", len(updates))
		}
		if updates[0] != (update{30 * time.Millisecond, "word0"}) {
			t.Errorf("first update is %+v", updates[0])
		}
		for n, one := range updates[:len(updates)-1] {
			if !strings.HasPrefix(got.Text, one.text) || len(one.text) >= len(updates[n+1].text) {
				t.Errorf("update %q, then %q", one.text, updates[n+1].text)
			}
			if n > 0 && one.at-updates[n-1].at < 200*time.Millisecond {
				t.Errorf("updates at %v and at %v", updates[n-1].at, one.at)
			}
		}
		if last := updates[len(updates)-1].text; last != got.Text || !strings.HasSuffix(last, "word99") {
			t.Errorf("last update is %q, want %q", last, got.Text)
		}
	})
}

// Partial texts are cleaned, too.
func TestOnTextIsCleaned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		updates, got, err := improve(t, func(_ context.Context, w io.Writer) {
			for _, piece := range []string{"<think>hm", " hm</think>", "Prompt: ", "a red fox", " in snow"} {
				time.Sleep(time.Second)
				_, _ = io.WriteString(w, stream(says(piece)))
			}
			_, _ = io.WriteString(w, stream(end("stop"), "[DONE]"))
		})
		var texts []string
		for _, one := range updates {
			texts = append(texts, one.text)
		}
		if want := []string{"a red fox", "a red fox in snow"}; err != nil || !slices.Equal(texts, want) || got.Text != want[1] {
			t.Errorf("updates %q, got %q, %v", texts, got.Text, err)
		}
	})
}

// onText is called once for a response that arrives at once, complete or as a stream.
func TestOnTextIsCalledOnce(t *testing.T) {
	t.Parallel()
	for contentType, body := range map[string]string{
		"application/json":  document(`"A red fox"`, "stop"),
		"text/event-stream": stream(says("A red fox"), end("stop"), "[DONE]"),
	} {
		client := newClient(t, respond(contentType, body))
		calls := map[string]func(context.Context, string, func(string)) (deepseek.Completion, error){
			"improve": client.Improve, "translate": client.Translate,
		}
		for name, call := range calls {
			var texts []string
			got, err := call(t.Context(), "fox", func(soFar string) { texts = append(texts, soFar) })
			if err != nil || got.Text != "A red fox" || !slices.Equal(texts, []string{"A red fox"}) {
				t.Errorf("%s of %s: updates %q, got %q, %v", name, contentType, texts, got.Text, err)
			}
			if got, err := call(t.Context(), "fox", nil); err != nil || got.Text != "A red fox" {
				t.Errorf("%s of %s without onText: %q, %v", name, contentType, got.Text, err)
			}
		}
	}
}

// onText does not change how streams fail: an idle one times out, and an incomplete one is an error.
func TestOnTextOfFailingStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		updates, _, err := improve(t, func(_ context.Context, w io.Writer) { _, _ = io.WriteString(w, stream(hello)) })
		requireFault(t, err, fault.Retryable, job.CodeTimeout)
		if len(updates) != 1 || updates[0].text != "A red" {
			t.Errorf("updates %+v", updates)
		}
		updates, _, err = improve(t, func(_ context.Context, w io.Writer) {
			_, _ = io.WriteString(w, stream(hello, end("content_filter"), "[DONE]"))
		})
		requireFault(t, err, fault.Moderated, job.CodeModerated)
		if len(updates) != 1 {
			t.Errorf("updates %+v", updates)
		}
	})
}

// Canceling the context in onText ends the call.
func TestOnTextCancels(t *testing.T) {
	t.Parallel()
	client := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, stream(hello))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	_, err := client.Improve(ctx, "fox", func(string) { cancel(why) })
	requireFault(t, err, fault.Canceled, fault.CodeCanceled)
	if !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
}
