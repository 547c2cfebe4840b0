package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/text2image-audio/text2image-audio/api/app"
	"github.com/text2image-audio/text2image-audio/api/feed"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hang bounds what a test waits for, on a machine that is busy with other things too; it is no expectation.
const hang = 3 * time.Minute

// instance is a running process and a client of it.
type instance struct {
	*app.App
	client *http.Client
	cookie string
}

// config returns the settings of a process on a directory, as `go run ./api` has them, but on any free port and without
// pretended latency.
func config(t testing.TB, dir string, variables ...string) app.Config {
	t.Helper()
	cfg := app.Default()
	environ := append([]string{
		"DATA_DIR=" + dir, "LISTEN_ADDR=127.0.0.1:0", "NATS_SYNC=1m", "FETCH_RETRY_INITIAL_DELAY_MS=20", "FETCH_RETRY_MAX_DELAY_MS=200",
	}, variables...)
	if err := env.Load(environ, &cfg); err != nil {
		t.Fatalf("settings: %v", err)
	}
	cfg.Worker.Latency = simulator.Latency{}
	cfg.Feed = feed.Config{Tick: 20 * time.Millisecond}
	return cfg
}

// start runs a process until the test ends.
func start(t testing.TB, cfg app.Config) *instance {
	t.Helper()
	i := run(t, cfg)
	t.Cleanup(func() { i.stop(t) })
	return i
}

// run runs a process until stop.
func run(t testing.TB, cfg app.Config) *instance {
	t.Helper()
	a, err := app.New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("new: %v", err)
	}
	if err := a.Start(t.Context()); err != nil {
		t.Fatalf("start: %v", err)
	}
	return &instance{App: a, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
}

func (i *instance) stop(t testing.TB) {
	t.Helper()
	i.client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	defer cancel()
	if err := i.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// visit opens the page, as a browser would, and keeps the guest cookie.
func (i *instance) visit(t testing.TB) {
	t.Helper()
	resp := i.do(t, http.MethodGet, "/", nil)
	for _, c := range resp.Cookies() {
		i.cookie = c.Name + "=" + c.Value
	}
	if i.cookie == "" {
		t.Fatal("the page sets no cookie")
	}
}

// answer is an HTTP answer, read to its end.
type answer struct {
	*http.Response
	body []byte
}

func (a answer) decode(t testing.TB, into any) {
	t.Helper()
	if err := json.Unmarshal(a.body, into); err != nil {
		t.Fatalf("decode %s: %v", a.body, err)
	}
}

func (i *instance) do(t testing.TB, method, path string, body any, headers ...string) answer {
	t.Helper()
	var reader io.Reader
	if body != nil {
		encoded, ok := body.([]byte)
		if !ok {
			var err error
			if encoded, err = json.Marshal(body); err != nil {
				t.Fatalf("encode: %v", err)
			}
		}
		reader = bytes.NewReader(encoded)
	}
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, i.URL()+path, reader)
	if err != nil {
		t.Fatalf("request: %v", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if i.cookie != "" {
		req.Header.Set("Cookie", i.cookie)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := i.client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	read, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	hold(t, req, resp, read)
	return answer{resp, read}
}

// view is a job as a client reads it.
type view struct {
	ID            string `json:"id"`
	Kind          string `json:"kind"`
	Status        string `json:"status"`
	CreatedAt     string `json:"created_at"`
	FinishedAt    string `json:"finished_at"`
	Attempt       int    `json:"attempt"`
	QueuePosition *int   `json:"queue_position"`
	Progress      int    `json:"progress"`
	Cancel        string `json:"cancel"`
	PartialText   string `json:"partial_text"`
	Result        *struct {
		Text   string `json:"text"`
		Prompt *struct {
			Original  string `json:"original"`
			Optimized string `json:"optimized"`
		} `json:"prompt"`
		Media   []medium `json:"media"`
		Missing []struct {
			Index int `json:"index"`
			Error struct {
				Code string `json:"code"`
			} `json:"error"`
		} `json:"missing"`
	} `json:"result"`
	Error *struct {
		Code string `json:"code"`
	} `json:"error"`
}

func (v view) ended() bool {
	return v.Status == "succeeded" || v.Status == "failed" || v.Status == "canceled"
}

// medium is a picture or recording as a client reads it.
type medium struct {
	URL         string `json:"url"`
	ContentType string `json:"content_type"`
	Bytes       int    `json:"bytes"`
	SHA256      string `json:"sha256"`
	Width       int    `json:"width"`
	Height      int    `json:"height"`
	Seed        *int64 `json:"seed"`
}

// below returns an address below the job's.
func (v view) below(rest string) string { return "/api/jobs/" + v.ID + "/" + rest }

// submit sends a job and expects it to be accepted.
func (i *instance) submit(t testing.TB, body any, headers ...string) view {
	t.Helper()
	resp := i.do(t, http.MethodPost, "/api/jobs", body, headers...)
	if resp.StatusCode != http.StatusAccepted && resp.StatusCode != http.StatusOK {
		t.Fatalf("submit: status %d: %s", resp.StatusCode, resp.body)
	}
	var v view
	resp.decode(t, &v)
	return v
}

// wait long-polls a job until it has ended.
func (i *instance) wait(t testing.TB, id string) view {
	t.Helper()
	for deadline := time.Now().Add(hang); ; {
		resp := i.do(t, http.MethodGet, "/api/jobs/"+id+"?wait=20", nil)
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("read: status %d: %s", resp.StatusCode, resp.body)
		}
		var v view
		resp.decode(t, &v)
		if v.ended() {
			return v
		}
		if time.Now().After(deadline) {
			t.Fatalf("job did not end: %s", resp.body)
		}
	}
}

type fields = map[string]any

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
