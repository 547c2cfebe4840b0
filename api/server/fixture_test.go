package server_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/api/feed"
	"github.com/text2image-audio/text2image-audio/api/internal/hooks"
	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/api/web"
	"github.com/text2image-audio/text2image-audio/pkg/apikey"
	"github.com/text2image-audio/text2image-audio/pkg/batch"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/catalogue"
	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/erasure"
	"github.com/text2image-audio/text2image-audio/pkg/feedback"
	"github.com/text2image-audio/text2image-audio/pkg/gallery"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/jobs/jobstest"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
	"github.com/text2image-audio/text2image-audio/pkg/spend"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
	"github.com/text2image-audio/text2image-audio/pkg/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(brokertest.Main(m, 4)) }

var update = flag.Bool("update", false, "update the golden files")

// hang is a guard: it limits how long a test waits, and nothing is expected to take that long.
const hang = 2 * time.Minute

// secret is the JWT_SECRET of the tests.
const secret = "a secret of the tests"

// bundle is a server on a real NATS and a real port, and its dependencies.
type bundle struct {
	cfg     server.Config
	deps    server.Deps
	broker  *broker.Broker
	queue   *queue.Queue
	control *control.Controller
	store   *store.Store
	jobs    *jobs.Service
	feed    *feed.Feed
	box     *feedback.Box
	metrics *telemetry.Metrics
	server  *server.Server
	log     *logBuffer
	url     string
	client  *http.Client
	// stop cancels the base context, which begins a shutdown.
	stop context.CancelCauseFunc
	http *http.Server
}

// change alters the settings and dependencies of a server before it is created.
type change = func(*server.Config, *server.Deps)

// behindProxy trusts X-Forwarded-For; see fromIP.
func behindProxy(cfg *server.Config, _ *server.Deps) { cfg.TrustedProxies = []string{"127.0.0.1"} }

// withSubmitTimeout sets how long a submission waits for NATS to store it.
func withSubmitTimeout(d time.Duration) change {
	return func(cfg *server.Config, _ *server.Deps) { cfg.SetHooks(func(h *hooks.Server) { h.SubmitTimeout = d }) }
}

// withKeepAlive sets how often a silent stream gets a comment.
func withKeepAlive(d time.Duration) change {
	return func(cfg *server.Config, _ *server.Deps) { cfg.SetHooks(func(h *hooks.Server) { h.KeepAlive = d }) }
}

// logBuffer holds the log of a server.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// setup starts a server.
func setup(t testing.TB, changes ...change) *bundle {
	t.Helper()
	b := &bundle{broker: brokertest.Start(t, brokertest.RecentAge(time.Hour)), metrics: telemetry.NewMetrics(), log: &logBuffer{}}
	log, err := telemetry.NewLogger(b.log, "debug")
	must(t, err)
	r := jobstest.On(t, b.broker, jobs.WithMetrics(b.metrics))
	b.queue, b.store, b.jobs = r.Queue, r.Store, r.Jobs
	controls, err := control.Open(t.Context(), b.broker)
	must(t, err)
	b.control = control.NewController(controls, log, nil)
	must(t, b.control.Start(t.Context()))
	t.Cleanup(b.control.Stop)
	b.feed = feed.New(b.broker, b.jobs, b.queue, b.control, feed.Config{Tick: time.Hour, Reread: time.Hour}, log)
	t.Cleanup(b.feed.Stop)
	var cfg server.Config
	must(t, env.Load(nil, &cfg))
	accounts, recovery := newAccounts(t, b.broker, log)
	apiKeys, err := apikey.New(t.Context(), b.broker, accounts, log)
	must(t, err)
	b.box, err = feedback.New(t.Context(), b.broker)
	must(t, err)
	images, err := gallery.New(t.Context(), b.broker)
	must(t, err)
	hooks, err := webhook.New(t.Context(), b.broker, webhook.Config{}, []byte(secret))
	must(t, err)
	batches, err := batch.New(t.Context(), b.broker, b.jobs, log)
	must(t, err)
	deps := server.Deps{
		Accounts: accounts, Recovery: recovery, Keys: apiKeys, Feedback: b.box, Gallery: images, Webhooks: hooks, Batches: batches,
		Jobs: b.jobs, Store: b.store, Queue: b.queue, Control: b.control, Feed: b.feed, Broker: b.broker, Quota: quota.New(b.broker, quota.Plans{}, nil), Catalogue: catalogue.Builtin(),
		Metrics: b.metrics, Log: log, Secret: []byte(secret), Page: newPage(t, pageFiles(), contractText),
	}
	deps.Eraser = erasure.New(accounts, b.jobs, []erasure.Part{
		{Name: "API keys", Erase: func(ctx context.Context, owner string) error {
			return apiKeys.Erase(ctx, owner, func(ctx context.Context, ids []string) error {
				return deps.Quota.Forget(ctx, jobs.KeyCounters([]byte(secret), ids)...)
			})
		}},
		{Name: "feedback", Erase: b.box.Erase},
		{Name: "saved images", Erase: images.Erase},
		{Name: "batches", Erase: batches.Erase},
		{Name: "jobs", Erase: b.jobs.Erase},
		{Name: "webhooks", Erase: hooks.Erase},
		{Name: "costs", Erase: spend.New(b.broker).Erase},
		{Name: "counters", Erase: func(ctx context.Context, owner string) error {
			return deps.Quota.Forget(ctx, jobs.MemberCounters([]byte(secret), owner)...)
		}},
	}, erasure.Config{}, log)
	for _, change := range changes {
		change(&cfg, &deps)
	}
	b.cfg, b.deps = cfg, deps
	b.server, err = server.New(cfg, deps)
	must(t, err)
	b.serve(t)
	return b
}

// secondProcess starts another server on the same NATS, as a second API process would run. It shares the dependencies
// that no change replaces.
func (b *bundle) secondProcess(t testing.TB, changes ...change) *bundle {
	t.Helper()
	second := *b
	second.metrics = telemetry.NewMetrics()
	second.deps.Metrics = second.metrics
	for _, change := range changes {
		change(&second.cfg, &second.deps)
	}
	var err error
	second.server, err = server.New(second.cfg, second.deps)
	must(t, err)
	second.serve(t)
	return &second
}

const contractText = `openapi: 3.1.0
info: {title: A <title>, version: "1", description: About it.}
paths:
  /api/jobs/{id}:
    parameters: [{$ref: '#/components/parameters/Id'}]
    get:
      summary: Read a job
      responses: {'200': {description: The job.}, '404': {$ref: '#/components/responses/Gone'}}
components:
  parameters: {Id: {name: id, in: path, description: Its id.}}
  responses: {Gone: {description: There is none.}}
`

// contractJSON is contractText as JSON, as the server writes it.
const contractJSON = `{"openapi":"3.1.0","info":{"title":"A \u003ctitle\u003e","version":"1","description":"About it."},` +
	`"paths":{"/api/jobs/{id}":{"parameters":[{"$ref":"#/components/parameters/Id"}],"get":{"summary":"Read a job",` +
	`"responses":{"200":{"description":"The job."},"404":{"$ref":"#/components/responses/Gone"}}}}},` +
	`"components":{"parameters":{"Id":{"name":"id","in":"path","description":"Its id."}},"responses":{"Gone":{"description":"There is none."}}}}`

func newPage(t testing.TB, files map[string]web.File, contract string) *server.Page {
	t.Helper()
	page, err := server.NewPage(files, []byte(contract))
	must(t, err)
	return page
}

func pageFiles() map[string]web.File {
	return map[string]web.File{
		"index.html":       {Data: []byte("<!doctype html><title>Page</title>")},
		"assets/js/app.js": {Data: []byte("export {};")},
		"assets/a.css":     {Data: []byte("body{}")},
		"assets/notes.md":  {Data: []byte("not served")},
		"secret.txt":       {Data: []byte("not below assets")},
	}
}

// serve serves the routes on a free port until the test ends.
func (b *bundle) serve(t testing.TB) {
	t.Helper()
	base, stop := context.WithCancelCause(context.WithoutCancel(t.Context()))
	b.stop, b.http = stop, b.server.HTTP(base)
	transport := &http.Transport{DisableCompression: true}
	b.client = &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	b.url = "http://" + serveHTTP(t, b.http, func() error {
		stop(errors.New("the test ends"))
		transport.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), hang)
		defer cancel()
		return errors.Join(b.http.Shutdown(ctx), b.server.AwaitStreams(ctx))
	})
}

// serveHTTP runs srv on a free port until the test ends, calls stop then, and returns the address.
func serveHTTP(t testing.TB, srv *http.Server, stop func() error) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(listener) }()
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("shut down: %v", err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
	})
	return listener.Addr().String()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// metric returns the sum of a metric over all series that have the given label values.
func (b *bundle) metric(t testing.TB, name string, labels ...string) float64 {
	t.Helper()
	families, err := b.metrics.Registry.Gather()
	must(t, err)
	total := 0.0
	for _, family := range families {
		if family.GetName() != "text2image_"+name {
			continue
		}
		for _, m := range family.GetMetric() {
			values := map[string]bool{}
			for _, pair := range m.GetLabel() {
				values[pair.GetValue()] = true
			}
			matches := true
			for _, want := range labels {
				matches = matches && values[want]
			}
			if matches {
				total += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return total
}

// awaitStreams waits until this many event streams are open.
func (b *bundle) awaitStreams(t testing.TB, n float64) {
	t.Helper()
	eventually(t, fmt.Sprint(n, " streams are open"), func() bool { return b.metric(t, "sse_streams_open") == n })
}

// updateStream changes the configuration of a stream.
func (b *bundle) updateStream(t testing.TB, name string, change func(*jetstream.StreamConfig)) {
	t.Helper()
	stream, err := b.broker.JetStream().Stream(t.Context(), name)
	must(t, err)
	cfg := stream.CachedInfo().Config
	change(&cfg)
	_, err = b.broker.JetStream().UpdateStream(t.Context(), cfg)
	must(t, err)
}

// eventually waits until holds returns true.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(hang)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("timed out: %s", what)
		}
	}
}

// golden compares text with a file in testdata. The caller masks what differs from run to run.
func golden(t testing.TB, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		must(t, os.MkdirAll(filepath.Dir(path), 0o750))
		must(t, os.WriteFile(path, []byte(got), 0o600))
		return
	}
	want, err := os.ReadFile(path)
	must(t, err)
	if got != string(want) {
		t.Errorf("%s differs:\n got: %s\nwant: %s", name, got, want)
	}
}

var requestIDPattern = regexp.MustCompile(`"request_id":"[^"]*"`)

// maskRequestIDs returns a body without its request ids, which differ from run to run.
func maskRequestIDs(body []byte) string {
	return requestIDPattern.ReplaceAllString(string(body), `"request_id":"…"`)
}

func discardLogger() *slog.Logger { return slog.New(slog.DiscardHandler) }
