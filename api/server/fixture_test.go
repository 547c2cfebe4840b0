package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	"github.com/text2image-audio/text2image-audio/api/contracttest"
	"github.com/text2image-audio/text2image-audio/api/feed"
	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/catalogue"
	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/erasure"
	"github.com/text2image-audio/text2image-audio/pkg/feedback"
	"github.com/text2image-audio/text2image-audio/pkg/gallery"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write the golden files anew")

// hang bounds what a test waits for; it is no expectation.
const hang = 30 * time.Second

// secret stands in for JWT_SECRET.
const secret = "a secret of the tests"

// bundle is a server on a real NATS and a real port, with everything it stands on.
type bundle struct {
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
	// stop ends the base context, as a process does when it begins to stop.
	stop context.CancelCauseFunc
	http *http.Server
}

// logged is a log that a test can read.
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

// setup starts a server; changes alter its settings and parts before that.
func setup(t testing.TB, changes ...func(*server.Config, *server.Deps)) *bundle {
	t.Helper()
	b := &bundle{broker: brokertest.Start(t), metrics: telemetry.NewMetrics(), log: &logBuffer{}}
	log, err := telemetry.NewLogger(b.log, "debug")
	must(t, err)
	b.queue, err = queue.New(t.Context(), b.broker)
	must(t, err)
	b.store, err = store.New(t.Context(), b.broker)
	must(t, err)
	b.jobs = jobs.New(b.broker, b.queue, b.store, jobs.WithMetrics(b.metrics))
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
	b.box, err = feedback.New(t.Context(), b.broker)
	must(t, err)
	pictures, err := gallery.New(t.Context(), b.broker)
	must(t, err)
	deps := server.Deps{
		Accounts: accounts, Recovery: recovery, Feedback: b.box, Gallery: pictures,
		Jobs: b.jobs, Store: b.store, Queue: b.queue, Control: b.control, Feed: b.feed, Broker: b.broker, Quota: quota.New(b.broker, quota.Plans{}, nil), Catalogue: catalogue.Builtin(),
		Metrics: b.metrics, Log: log, Secret: []byte(secret), OpenAPI: []byte(contractText), Web: pageFiles(),
	}
	deps.Eraser = erasure.New(accounts, b.jobs, []erasure.Part{
		{Name: "feedback", Erase: b.box.Erase},
		{Name: "saved images", Erase: pictures.Erase},
		{Name: "jobs", Erase: b.jobs.Erase},
		{Name: "counters", Erase: func(ctx context.Context, owner string) error {
			return deps.Quota.Forget(ctx, jobs.MemberCounters([]byte(secret), owner)...)
		}},
	}, erasure.Config{}, log)
	for _, change := range changes {
		change(&cfg, &deps)
	}
	b.server, err = server.New(cfg, deps)
	must(t, err)
	b.serve(t)
	return b
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

func pageFiles() fstest.MapFS {
	return fstest.MapFS{
		"index.html":       {Data: []byte("<!doctype html><title>Page</title>")},
		"assets/js/app.js": {Data: []byte("export {};")},
		"assets/a.css":     {Data: []byte("body{}")},
		"assets/notes.md":  {Data: []byte("not handed out")},
		"secret.txt":       {Data: []byte("not below assets")},
	}
}

func (b *bundle) serve(t testing.TB) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	base, stop := context.WithCancelCause(context.WithoutCancel(t.Context()))
	b.stop, b.http = stop, b.server.HTTP(base)
	b.url = "http://" + listener.Addr().String()
	transport := &http.Transport{DisableCompression: true}
	b.client = &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	served := make(chan error, 1)
	go func() { served <- b.http.Serve(listener) }()
	t.Cleanup(func() {
		stop(errors.New("the test ends"))
		transport.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), hang)
		defer cancel()
		if err := b.http.Shutdown(ctx); err != nil {
			t.Errorf("shut down: %v", err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// reply is an answer that was read to its end.
type reply struct {
	*http.Response
	body []byte
}

// option changes a request.
type option func(*http.Request)

func header(name, value string) option {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func cookie(c *http.Cookie) option {
	return func(r *http.Request) { r.AddCookie(c) }
}

// request sends a request; body is nil, a []byte, a string, an io.Reader, or anything else as JSON.
func (b *bundle) request(t testing.TB, method, path string, body any, options ...option) *reply {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	r := b.newRequest(ctx, t, method, path, body, options...)
	resp, err := b.client.Do(r)
	must(t, err)
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	must(t, err)
	checkContract(t, r, resp, data)
	return &reply{resp, data}
}

// contract reads the contract once for all tests.
var contract = sync.OnceValues(func() (*contracttest.Contract, error) { return contracttest.Read("../openapi.yaml") })

// hold holds a response against the contract.
func checkContract(t testing.TB, r *http.Request, resp *http.Response, body []byte) {
	t.Helper()
	c, err := contract()
	must(t, err)
	c.Hold(t, r, resp, body)
}

func (b *bundle) newRequest(ctx context.Context, t testing.TB, method, path string, body any, options ...option) *http.Request {
	t.Helper()
	var reader io.Reader
	switch v := body.(type) {
	case nil:
	case io.Reader:
		reader = v
	case []byte:
		reader = bytes.NewReader(v)
	case string:
		reader = strings.NewReader(v)
	default:
		data, err := json.Marshal(v)
		must(t, err)
		reader = bytes.NewReader(data)
	}
	r, err := http.NewRequestWithContext(ctx, method, b.url+path, reader)
	must(t, err)
	for _, o := range options {
		o(r)
	}
	return r
}

// into decodes the body.
func (r *reply) decode(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal(r.body, v); err != nil {
		t.Fatalf("body %.300s: %v", r.body, err)
	}
}

// expect fails the test when the answer has another status.
func (r *reply) expect(t testing.TB, status int) *reply {
	t.Helper()
	if r.StatusCode != status {
		t.Fatalf("%s %s: status %d, want %d: %.500s", r.Request.Method, r.Request.URL.Path, r.StatusCode, status, r.body)
	}
	return r
}

// fields is a JSON object.
type fields map[string]any

// view is a job as a client reads it.
type view struct {
	ID            string
	Kind, Status  string
	Input         fields
	Cancel        string
	Attempt       int
	MaxAttempts   int    `json:"max_attempts"`
	QueuePosition *int   `json:"queue_position"`
	CreatedAt     string `json:"created_at"`
	Deadline      string
	Result        *struct {
		Text  string
		Media []fields
	}
	Error *problemBody
	Links fields
}

// fault is an error as a client reads it, in either shape.
type problemBody struct {
	Type, Title, Detail, Code, Error, Message string
	Status                                    int
	RequestID                                 string `json:"request_id"`
	Errors                                    []struct{ Pointer, Code, Detail string }
	Job                                       any
	Path                                      string
}

func (f problemBody) fieldErrors() []string {
	var list []string
	for _, e := range f.Errors {
		list = append(list, e.Pointer+" "+e.Code)
	}
	return list
}

// problem checks that an answer is a well-formed problem with a code.
func (r *reply) problem(t testing.TB, status int, code string) problemBody {
	t.Helper()
	r.expect(t, status)
	var f problemBody
	r.decode(t, &f)
	if got := r.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("content type %q", got)
	}
	if f.Code != code || f.Status != status || f.Error != f.Detail || f.Type != "about:blank" || f.Title == "" ||
		f.RequestID != r.Header.Get("X-Request-Id") || r.Header.Get("Content-Language") == "" {
		t.Errorf("want code %s, status %d; got %s", code, status, r.body)
	}
	return f
}

// originalError checks that an answer is an error in the shape of the original.
func (r *reply) originalError(t testing.TB, status int, code string) problemBody {
	t.Helper()
	r.expect(t, status)
	var f problemBody
	r.decode(t, &f)
	if got := r.Header.Get("Content-Type"); got != "application/json; charset=utf-8" {
		t.Errorf("content type %q", got)
	}
	if f.Code != code || f.Error == "" || f.RequestID != r.Header.Get("X-Request-Id") || f.Title != "" {
		t.Errorf("want code %s; got %s", code, r.body)
	}
	return f
}

// newSpec returns a job as submit would make it, at a fixed time when id is one of a test's own.
func newSpec(owner, id string, kind job.Kind, in job.Input) *job.Spec {
	created := time.Now().Add(-time.Minute)
	return &job.Spec{
		ID: id, Kind: kind, Lane: job.LaneGuest, Owner: owner, Input: in,
		CreatedAt: job.At(created), Deadline: job.At(created.Add(time.Hour)), MaxAttempts: 8, Fingerprint: "f",
	}
}

func imageInput() *job.ImageInput {
	side, one, seed := 64, 1, int64(7)
	return &job.ImageInput{Prompt: "a lighthouse", Model: "flux", Width: &side, Height: &side, N: &one, Seed: &seed}
}

// push puts a job into the queue.
func (b *bundle) push(t testing.TB, spec *job.Spec) *job.Spec {
	t.Helper()
	_, err := b.queue.Push(t.Context(), spec, false)
	must(t, err)
	return spec
}

// settle ends a job, whether it is in the queue or not.
func (b *bundle) settle(t testing.TB, spec *job.Spec, r *job.Record, products ...store.Product) *job.Record {
	t.Helper()
	r.Spec = spec
	if r.FinishedAt.IsZero() {
		r.FinishedAt = job.At(time.Now())
	}
	for _, p := range products {
		media, err := b.store.PutMedia(t.Context(), spec.Owner, spec.ID, p.Media, p.Data)
		must(t, err)
		if r.Result == nil {
			r.Result = &job.Result{}
		}
		r.Result.Media = append(r.Result.Media, media)
	}
	final, _, err := b.store.PutRecord(t.Context(), r)
	must(t, err)
	if entry, err := b.queue.FindLeader(t.Context(), spec.Owner, spec.ID); err == nil {
		must(t, b.queue.Delete(t.Context(), entry.Sequence))
	}
	return final
}

// progress stores a state of a job.
func (b *bundle) putProgress(t testing.TB, owner string, p *job.Progress) {
	t.Helper()
	_, revision, err := b.store.ProgressLeader(t.Context(), owner, p.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
	_, err = b.store.PutProgress(t.Context(), owner, p, revision)
	must(t, err)
}

// work takes the next job of a kind and ends it as end says, in the background.
func (b *bundle) work(t testing.TB, kind job.Kind, end func(*job.Spec) (*job.Record, []store.Product)) {
	t.Helper()
	lane, err := b.queue.Lane(t.Context(), kind, job.LaneGuest)
	must(t, err)
	puller, err := b.queue.Puller()
	must(t, err)
	t.Cleanup(puller.Close)
	done := make(chan struct{})
	go func() {
		defer close(done)
		d, err := puller.Pull(lane, hang)
		if err != nil || d == nil {
			t.Errorf("take a job: %v, %v", d, err)
			return
		}
		r, products := end(d.Spec)
		r.Spec, r.FinishedAt = d.Spec, job.At(time.Now())
		ctx := context.WithoutCancel(t.Context())
		if _, _, err := b.jobs.Settle(ctx, jobs.Settlement{Record: r, Products: products, Remove: d.Ack}); err != nil {
			t.Errorf("settle: %v", err)
		}
	}()
	t.Cleanup(func() { <-done })
}

// guest returns a caller's cookie and the name it holds.
func guest() (*http.Cookie, string) { return server.GuestCookie([]byte(secret)) }

// metric adds up the values of a metric over those of its series that have all the given label values.
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

// eventually waits until a condition holds.
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
			t.Fatalf("never: %s", what)
		}
	}
}

// golden compares text with a file of testdata; what differs from run to run is blanked out by the caller.
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

// stable blanks out what differs from run to run.
func maskRequestIDs(body []byte) string {
	return requestIDPattern.ReplaceAllString(string(body), `"request_id":"…"`)
}

// quiet is a log that nobody reads.
func discardLogger() *slog.Logger { return slog.New(slog.DiscardHandler) }

func unixMilli(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }
