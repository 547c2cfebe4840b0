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

// says returns an event that brings a piece of text.
func says(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf(`{"choices":[{"index":0,"delta":{"content":%s},"finish_reason":null}]}`, quoted)
}

// told is one call of a reader along.
type told struct {
	at   time.Duration
	text string
}

// readAlong has a text improved by a model that writes as given and returns what was told and when.
func readAlong(t *testing.T, write func(context.Context, io.Writer)) (heard []told, got deepseek.Completion, err error) {
	t.Helper()
	client, err := deepseek.New(deepseek.Config{URL: "http://example.org", HTTP: &http.Client{Transport: piped{write}}})
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	got, err = client.Improve(t.Context(), "fox", func(soFar string) {
		heard = append(heard, told{time.Since(begun), soFar})
	})
	return heard, got, err
}

// A reader along hears the first words at once, then no more than five times a second, and the whole text at the end.
func TestReadAlong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		heard, got, err := readAlong(t, func(_ context.Context, w io.Writer) {
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
		if len(heard) < 10 || len(heard) > 17 {
			t.Errorf("told %d times in three seconds", len(heard))
		}
		if heard[0] != (told{30 * time.Millisecond, "word0"}) {
			t.Errorf("first told %+v", heard[0])
		}
		for n, one := range heard[:len(heard)-1] {
			if !strings.HasPrefix(got.Text, one.text) || len(one.text) >= len(heard[n+1].text) {
				t.Errorf("told %q, then %q", one.text, heard[n+1].text)
			}
			if n > 0 && one.at-heard[n-1].at < 200*time.Millisecond {
				t.Errorf("told at %v and at %v", heard[n-1].at, one.at)
			}
		}
		if last := heard[len(heard)-1].text; last != got.Text || !strings.HasSuffix(last, "word99") {
			t.Errorf("last told %q, want %q", last, got.Text)
		}
	})
}

// What models wrap around their text is not shown while it is written either.
func TestReadAlongIsCleaned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		heard, got, err := readAlong(t, func(_ context.Context, w io.Writer) {
			for _, piece := range []string{"<think>hm", " hm</think>", "Prompt: ", "a red fox", " in snow"} {
				time.Sleep(time.Second)
				_, _ = io.WriteString(w, stream(says(piece)))
			}
			_, _ = io.WriteString(w, stream(end("stop"), "[DONE]"))
		})
		var texts []string
		for _, one := range heard {
			texts = append(texts, one.text)
		}
		if want := []string{"a red fox", "a red fox in snow"}; err != nil || !slices.Equal(texts, want) || got.Text != want[1] {
			t.Errorf("told %q, got %q, %v", texts, got.Text, err)
		}
	})
}

// Somebody who reads along of a response that comes at once, whole or as a stream, hears it once.
func TestReadAlongAtOnce(t *testing.T) {
	t.Parallel()
	for contentType, body := range map[string]string{
		"application/json":  document(`"A red fox"`, "stop"),
		"text/event-stream": stream(says("A red fox"), end("stop"), "[DONE]"),
	} {
		client := newClient(t, answer(contentType, body))
		calls := map[string]func(context.Context, string, func(string)) (deepseek.Completion, error){
			"improve": client.Improve, "translate": client.Translate,
		}
		for name, call := range calls {
			var texts []string
			got, err := call(t.Context(), "fox", func(soFar string) { texts = append(texts, soFar) })
			if err != nil || got.Text != "A red fox" || !slices.Equal(texts, []string{"A red fox"}) {
				t.Errorf("%s of %s: told %q, got %q, %v", name, contentType, texts, got.Text, err)
			}
			if got, err := call(t.Context(), "fox", nil); err != nil || got.Text != "A red fox" {
				t.Errorf("%s of %s for nobody: %q, %v", name, contentType, got.Text, err)
			}
		}
	}
}

// A stream that fails never claims to be complete, and one that falls silent is given up as without a reader.
func TestReadAlongFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		heard, _, err := readAlong(t, func(_ context.Context, w io.Writer) { _, _ = io.WriteString(w, stream(hello)) })
		requireFault(t, err, fault.Retryable, job.CodeTimeout)
		if len(heard) != 1 || heard[0].text != "A red" {
			t.Errorf("told %+v", heard)
		}
		heard, _, err = readAlong(t, func(_ context.Context, w io.Writer) {
			_, _ = io.WriteString(w, stream(hello, end("content_filter"), "[DONE]"))
		})
		requireFault(t, err, fault.Moderated, job.CodeModerated)
		if len(heard) != 1 {
			t.Errorf("told %+v", heard)
		}
	})
}

// A reader along who gives up the job ends the call.
func TestReadAlongCanceled(t *testing.T) {
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

// Both ways of counting remembered tokens are understood, and neither exceeds what there is.
func TestCachedTokens(t *testing.T) {
	t.Parallel()
	for usage, want := range map[string]int{
		`{"prompt_tokens":20,"completion_tokens":5,"prompt_cache_hit_tokens":12,"prompt_cache_miss_tokens":8}`: 12,
		`{"prompt_tokens":20,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":7}}`:               7,
		`{"prompt_tokens":20,"completion_tokens":5,"prompt_cache_hit_tokens":99}`:                              20,
		`{"prompt_tokens":20,"completion_tokens":5,"prompt_cache_hit_tokens":-4}`:                              0,
		`{"prompt_tokens":20,"completion_tokens":5,"prompt_tokens_details":null}`:                              0,
	} {
		body := `{"choices":[{"index":0,"message":{"content":"x"},"finish_reason":"stop"}],"usage":` + usage + `}`
		got, err := newClient(t, answer("application/json", body)).Improve(t.Context(), "fox", nil)
		if err != nil || got.CachedTokens != want || got.PromptTokens != 20 {
			t.Errorf("%s: %d of %d, %v", usage, got.CachedTokens, got.PromptTokens, err)
		}
	}
}
