package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/client"
)

// script serves one response after the other and records the requests.
type script struct {
	*httptest.Server
	mu   sync.Mutex
	seen []*http.Request
}

// requests returns the requests that have arrived.
func (s *script) requests() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

func serve(t *testing.T, answers ...http.HandlerFunc) *script {
	t.Helper()
	s := &script{}
	var n atomic.Int32
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i := int(n.Add(1)) - 1
		if i >= len(answers) {
			t.Errorf("unexpected request %d: %s %s", i+1, r.Method, r.URL)
			w.WriteHeader(http.StatusTeapot)
			return
		}
		s.mu.Lock()
		s.seen = append(s.seen, r)
		s.mu.Unlock()
		answers[i](w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// dial returns a client that does not wait between attempts, and the delays that it would have waited.
func (s *script) dial(t *testing.T) (*client.Client, *[]time.Duration) {
	t.Helper()
	c, err := client.New(client.Config{URL: s.URL, Key: "t2i_key", HTTP: s.Client(), Attempts: 3})
	if err != nil {
		t.Fatal(err)
	}
	var delays []time.Duration
	c.SetSleep(func(ctx context.Context, d time.Duration) error {
		delays = append(delays, d)
		return ctx.Err()
	})
	return c, &delays
}

func respond(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// hangUp breaks the connection after part of a body.
func hangUp(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, body)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// TestSubmitIsRepeatedUnderOneKey breaks the connection of the first attempt and throttles the second.
func TestSubmitIsRepeatedUnderOneKey(t *testing.T) {
	t.Parallel()
	s := serve(t, hangUp(""), respond(429, `{"code":"rate_limited"}`, "Retry-After: 7"), respond(202, `{"id":"a","status":"queued"}`))
	c, delays := s.dial(t)
	j, err := c.Submit(t.Context(), client.Request{Kind: "image", Input: client.Input{Prompt: "a fox"}})
	if err != nil || j.ID != "a" {
		t.Fatalf("%v, %v", j, err)
	}
	key := s.requests()[0].Header.Get("Idempotency-Key")
	for _, r := range s.requests() {
		if r.Header.Get("Idempotency-Key") != key || len(key) < 20 || r.Header.Get("Authorization") != "Bearer t2i_key" {
			t.Errorf("headers %v", r.Header)
		}
	}
	if d := *delays; len(d) != 2 || d[1] != 7*time.Second {
		t.Errorf("delays %v", d)
	}
}

// TestWhatIsNotRepeated refuses requests for good, or for longer than the client waits.
func TestWhatIsNotRepeated(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"invalid": respond(400, `{"code":"invalid_request","detail":"x","errors":[{"pointer":"/input/prompt","code":"required"}]}`),
		"quota":   respond(402, `{"code":"quota_exceeded"}`, "Retry-After: 30"),
		"long":    respond(503, `{"code":"unavailable"}`, "Retry-After: 3600"),
	} {
		c, _ := serve(t, answer).dial(t)
		_, err := c.Submit(t.Context(), client.Request{Kind: "image"})
		var p *client.Problem
		if !errors.As(err, &p) || p.Code == "" {
			t.Errorf("%s: %v", name, err)
		}
		if name == "invalid" && (len(p.Fields) != 1 || p.Fields[0].Pointer != "/input/prompt") {
			t.Errorf("fields %v", p.Fields)
		}
	}
	c, delays := serve(t, respond(503, ""), respond(502, "<html>"), respond(500, "")).dial(t)
	var p *client.Problem
	if _, err := c.Get(t.Context(), "a"); !errors.As(err, &p) || p.Status != 500 || len(*delays) != 2 {
		t.Errorf("after all attempts: %v, %v", err, *delays)
	}
}

// TestStreamResumes breaks a stream twice: between events, and in the middle of one.
func TestStreamResumes(t *testing.T) {
	t.Parallel()
	s := serve(t,
		hangUp("retry: 30\n\nevent: queued\nid: 0.0\ndata: {\"id\":\"a\",\"status\":\"queued\"}\n\n: keep-alive\n\n"),
		respond(503, `{"code":"unavailable"}`),
		hangUp("event: running\nid: 1.1\ndata: {\"id\":\"a\",\"status\":\"running\"}\n\nevent: succeeded\nid: end\ndata: {\"id\""),
		respond(200, "event: succeeded\nid: end\ndata: {\"id\":\"a\",\"status\":\"succeeded\"}\n\n"),
	)
	c, _ := s.dial(t)
	var seen []string
	for j, err := range c.Stream(t.Context(), "a") {
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, j.Status)
	}
	if got := strings.Join(seen, " "); got != "queued running succeeded" {
		t.Errorf("seen %s", got)
	}
	for i, want := range []string{"", "0.0", "0.0", "1.1"} {
		if got := s.requests()[i].Header.Get("Last-Event-ID"); got != want {
			t.Errorf("request %d has Last-Event-ID %q, want %q", i, got, want)
		}
	}
}

// TestDownloadGoesOn breaks a download, and the server then sends the rest or, without ranges, all of it.
func TestDownloadGoesOn(t *testing.T) {
	t.Parallel()
	const sum = "a665a45920422f9d417e4867efdc4fb8a04a1f3fff1fa07e998e86f7f7a27ae3" // of 123
	m := client.Media{URL: "/api/jobs/a/media/0", SHA256: sum}
	for name, rest := range map[string]http.HandlerFunc{"range": respond(206, "23"), "whole": respond(200, "123")} {
		s := serve(t, hangUp("1"), rest)
		c, _ := s.dial(t)
		var b bytes.Buffer
		if err := c.Download(t.Context(), m, &b); err != nil || b.String() != "123" || s.requests()[1].Header.Get("Range") != "bytes=1-" {
			t.Errorf("%s: %v, %q", name, err, b.String())
		}
	}
	m.Bytes = 3
	c, _ := serve(t, hangUp("123"), respond(416, "")).dial(t)
	if err := c.Download(t.Context(), m, io.Discard); err != nil {
		t.Errorf("after the last byte: %v", err)
	}
	c, _ = serve(t, respond(200, "124")).dial(t)
	if err := c.Download(t.Context(), m, io.Discard); err == nil || !strings.Contains(err.Error(), "SHA-256") {
		t.Errorf("other bytes: %v", err)
	}
}

// TestContextEndsEveryCall cancels a call while it waits for the next attempt and one that waits for a response.
func TestContextEndsEveryCall(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	c, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}).dial(t)
	if _, err := c.Wait(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("wait: %v", err)
	}
	for _, err := range c.Stream(ctx, "a") {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("stream: %v", err)
		}
	}
}

// Example submits a job, follows it and saves the image.
func Example() {
	ctx := context.Background()
	c, err := client.New(client.Config{URL: serverURL, Key: os.Getenv("T2I_API_KEY")})
	if err != nil {
		fmt.Println(err)
		return
	}
	j, err := c.Submit(ctx, client.Request{Kind: "image", Input: client.Input{Prompt: "a fox", Width: 256, Height: 192}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for change, err := range c.Stream(ctx, j.ID) {
		if err != nil {
			fmt.Println(err)
			return
		}
		j = change
	}
	if err := j.Err(); err != nil {
		fmt.Println(err)
		return
	}
	var image bytes.Buffer
	if err := c.Download(ctx, j.Result.Media[0], &image); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(j.Status, j.Result.Media[0].Width, "x", j.Result.Media[0].Height, image.Len() > 0)
	// Output: succeeded 256 x 192 true
}

// ExampleClient_Wait translates a text.
func ExampleClient_Wait() {
	ctx := context.Background()
	c, err := client.New(client.Config{URL: serverURL})
	if err != nil {
		fmt.Println(err)
		return
	}
	j, err := c.Submit(ctx, client.Request{Kind: "translation", Input: client.Input{Text: "黄昏时的灯塔"}})
	if err == nil {
		j, err = c.Wait(ctx, j.ID)
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(j.Status, j.Result.Text != "")
	// Output: succeeded true
}

// ExampleClient_Upload makes an image from a private one.
func ExampleClient_Upload() {
	ctx := context.Background()
	c, err := client.New(client.Config{URL: serverURL})
	if err != nil {
		fmt.Println(err)
		return
	}
	var picture bytes.Buffer // Usually that of a file.
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 64, 64))); err != nil {
		fmt.Println(err)
		return
	}
	u, err := c.Upload(ctx, picture.Bytes())
	if err != nil {
		fmt.Println(err)
		return
	}
	j, err := c.Submit(ctx, client.Request{Kind: "image", Input: client.Input{
		Prompt: "the same at night", Model: "gptimage", Width: 64, Height: 64, ReferenceImages: []string{u.Reference},
	}})
	if err == nil {
		j, err = c.Wait(ctx, j.ID)
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(u.ContentType, u.Width, j.Status)
	// Output: image/png 64 succeeded
}

// ExampleProblem shows how a refusal is told from other errors.
func ExampleProblem() {
	c, err := client.New(client.Config{URL: serverURL})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = c.Submit(context.Background(), client.Request{Kind: "image", Input: client.Input{Prompt: "a fox", Width: 1}})
	var p *client.Problem
	if errors.As(err, &p) {
		fmt.Println(p.Status, p.Code, p.Fields[0].Pointer)
	}
	// Output: 400 invalid_request /input/width
}

// ExampleClient_CreateKey creates an API key for a program, submits a job with it, and revokes it.
func ExampleClient_CreateKey() {
	ctx := context.Background()
	c, err := client.New(client.Config{URL: serverURL})
	if err != nil {
		fmt.Println(err)
		return
	}
	ann, err := c.SignIn(ctx, "ann@example.org", os.Getenv("T2I_PASSWORD"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = ann.SignOut(ctx) }()
	key, err := ann.CreateKey(ctx, client.KeyRequest{Name: "nightly build", Scopes: []string{"submit", "read"}, ExpiresIn: 3600})
	if err != nil {
		fmt.Println(err)
		return
	}
	program, err := client.New(client.Config{URL: serverURL, Key: key.Secret})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := program.Submit(ctx, client.Request{Kind: "prompt", Input: client.Input{Text: "a fox"}}); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(key.Name, key.Scopes, ann.RevokeKey(ctx, key.ID))
	// Output: nightly build [submit read] <nil>
}
