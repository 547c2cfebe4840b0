package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// request is what a receiver got.
type request struct{ path, id, body string }

// receiver answers with the statuses of a path, one after the other and the last one again and again; without one, 200. Path
// /hang hangs.
type receiver struct {
	*httptest.Server
	requests chan request

	mu       sync.Mutex
	statuses map[string][]int
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{requests: make(chan request, 100), statuses: make(map[string][]int)}
	hang := make(chan struct{})
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.requests <- request{req.URL.Path, req.Header.Get("webhook-id"), string(body)}
		if req.URL.Path == "/hang" {
			<-hang
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if left := r.statuses[req.URL.Path]; len(left) > 0 {
			w.WriteHeader(left[0])
			r.statuses[req.URL.Path] = left[min(1, len(left)-1):]
		}
	}))
	t.Cleanup(r.Close)
	t.Cleanup(func() { close(hang) })
	return r
}

func (r *receiver) answer(path string, statuses ...int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.statuses[path] = statuses
}

const guardTime = time.Minute // Nothing is expected to take that long.

func (r *receiver) next(t *testing.T) request {
	t.Helper()
	select {
	case req := <-r.requests:
		return req
	case <-time.After(guardTime):
		t.Fatal("no request arrives")
		return request{}
	}
}

// rig is a deliverer on a NATS of its own.
type rig struct {
	*Deliverer
	broker  *broker.Broker
	log     *bytes.Buffer
	deleted atomic.Pointer[string]
}

func start(t *testing.T) *rig {
	t.Helper()
	r := &rig{broker: brokertest.Start(t), log: new(bytes.Buffer)}
	s, err := New(t.Context(), r.broker, Config{Allow: []string{"127.0.0.0/8"}}, []byte("a secret of the tests"))
	if err != nil {
		t.Fatal(err)
	}
	delays := make([]time.Duration, 3)
	for i := range delays {
		delays[i] = 10 * time.Millisecond
	}
	r.Deliverer = NewDeliverer(s, Deps{
		View: func(s *job.Snapshot) any { return s.Spec.ID },
		Deleted: func(_ context.Context, owner string) (bool, error) {
			deleted := r.deleted.Load()
			return deleted != nil && *deleted == owner, nil
		},
		Metrics: telemetry.NewMetrics(), Log: slog.New(slog.NewJSONHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Schedule: delays,
	})
	return r
}

func (r *rig) run(t *testing.T) {
	t.Helper()
	r.Start()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), guardTime)
		defer cancel()
		if err := r.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
}

func recordOf(id, url string) *job.Record {
	at := job.At(time.Date(2026, time.March, 4, 5, 6, 7, 0, time.UTC))
	return &job.Record{V: job.Version, Status: job.StatusSucceeded, StartedAt: &at, FinishedAt: at, Spec: &job.Spec{
		V: job.Version, ID: id, Kind: job.KindPrompt, Lane: job.LaneMember, Owner: "ann", Input: &job.TextInput{Text: "a fox"}, CreatedAt: at, Deadline: at,
		Webhook: &job.Webhook{URL: url, Events: job.EndEvents()},
	}}
}

func (r *rig) publish(t *testing.T, record *job.Record) {
	t.Helper()
	if err := PublishEnd(t.Context(), r.broker, record); err != nil {
		t.Fatal(err)
	}
}

// await returns a delivery as soon as it is in a state.
func (r *rig) await(t *testing.T, id string, state State) *Delivery {
	t.Helper()
	for deadline := time.Now().Add(guardTime); ; {
		e, err := r.deliveries.Get(t.Context(), broker.WebhookSubject("ann", id))
		if err == nil && e.Value.State == state {
			return &e.Value
		}
		if time.Now().After(deadline) {
			t.Fatalf("delivery %s is %+v, %v; want %s", id, e.Value, err, state)
		}
		time.Sleep(time.Millisecond) // The state is stored after the response.
	}
}

// TestDeliveries follows deliveries to the end: repeated attempts, the last one, 410, and what the owner requests.
func TestDeliveries(t *testing.T) {
	t.Parallel()
	r, to := start(t), newReceiver(t)
	r.run(t)

	to.answer("/flaky", 500, 307, 200)
	record := recordOf("j1", to.URL+"/flaky?token=canary")
	r.publish(t, record)
	first := to.next(t)
	for range 2 {
		if again := to.next(t); again != first {
			t.Errorf("the event is repeated as %+v, first it was %+v", again, first)
		}
	}
	if want := `{"type":"job.succeeded","timestamp":"2026-03-04T05:06:07.000Z","data":"j1"}`; first.body != want || first.id != ended(record).ID {
		t.Errorf("the event is %+v, want %s", first, want)
	}
	if d := r.await(t, first.id, StateDelivered); d.Attempts != 3 || d.LastStatus != 200 || d.NextAttemptAt != nil {
		t.Errorf("the delivery is %+v", d)
	}
	// An event that is published again is not sent again, but one that its owner requests is.
	r.publish(t, record)
	if _, err := r.Redeliver(t.Context(), "ann", first.id); err != nil {
		t.Fatal(err)
	}
	if again := to.next(t); again != first {
		t.Errorf("the requested event is %+v", again)
	}
	r.await(t, first.id, StateDelivered)
	for _, owner := range []string{"bob", "ann.x"} {
		if _, err := r.Redeliver(t.Context(), owner, first.id); !errors.Is(err, ErrNotFound) {
			t.Errorf("a delivery of another owner: %v", err)
		}
	}

	to.answer("/broken", 500)
	r.publish(t, recordOf("j2", to.URL+"/broken"))
	broken := to.next(t)
	for range 3 {
		to.next(t)
	}
	if d := r.await(t, broken.id, StateFailed); d.Attempts != 4 || d.LastFailure != FailureStatus {
		t.Errorf("the delivery is %+v", d)
	}

	// After 410 nothing is sent there any more, until a ping succeeds.
	to.answer("/gone", 410)
	r.publish(t, recordOf("j3", to.URL+"/gone"))
	r.await(t, to.next(t).id, StateDisabled)
	second := recordOf("j4", to.URL+"/gone")
	r.publish(t, second)
	if d := r.await(t, ended(second).ID, StateDisabled); d.Attempts != 0 {
		t.Errorf("the delivery to a disabled URL is %+v", d)
	}
	if e, err := r.Endpoint(t.Context(), "ann"); err != nil || len(e.Disabled) != 1 || e.Disabled[0].URL != to.URL+"/gone" {
		t.Errorf("the endpoint is %+v, %v", e, err)
	}
	to.answer("/gone", 200)
	ping, err := r.Ping(t.Context(), "ann", to.URL+"/gone")
	if err != nil {
		t.Fatal(err)
	}
	if got := to.next(t); got.id != ping.ID || !json.Valid([]byte(got.body)) {
		t.Errorf("the ping is %+v", got)
	}
	r.await(t, ping.ID, StateDelivered)
	if e, err := r.Endpoint(t.Context(), "ann"); err != nil || len(e.Disabled) != 0 {
		t.Errorf("after the ping the endpoint is %+v, %v", e, err)
	}

	// A receiver that hangs holds up no other.
	for _, id := range []string{"h1", "h2", "h3", "h4", "h5", "h6"} {
		r.publish(t, recordOf(id, to.URL+"/hang"))
	}
	for range hostSlots {
		to.next(t)
	}
	other := newReceiver(t)
	r.publish(t, recordOf("j5", other.URL))
	r.await(t, other.next(t).id, StateDelivered)

	var pages [][]*Delivery
	for after, more := "", true; more; after = pages[len(pages)-1][len(pages[len(pages)-1])-1].ID {
		var page []*Delivery
		if page, more, err = r.List(t.Context(), "ann", after, 5); err != nil {
			t.Fatal(err)
		}
		pages = append(pages, page)
	}
	if len(pages) != 3 || len(pages[0]) != 5 || len(pages[2]) != 2 || pages[0][0].ID != ping.ID {
		t.Errorf("the deliveries are %v", pages)
	}
	if bytes.Contains(r.log.Bytes(), []byte("canary")) || bytes.Contains(r.log.Bytes(), []byte("whsec_")) {
		t.Errorf("the log has a secret: %s", r.log)
	}
}

// TestKilled kills a process after the receiver has the event and before that is stored: the next process sends it again with
// the same id. It also kills a process of an owner whose account was deleted meanwhile, whose event is not sent.
func TestKilled(t *testing.T) {
	t.Parallel()
	r, to := start(t), newReceiver(t)
	record := recordOf("j1", to.URL)
	r.publish(t, record)
	killed := ended(record)
	if err := killed.render(r.View); err != nil {
		t.Fatal(err)
	}
	if got := r.sender.send(t.Context(), killed, nil); got.failure != FailureNone {
		t.Fatalf("%+v", got)
	}
	first := to.next(t)
	r.run(t)
	if again := to.next(t); again != first {
		t.Errorf("after the kill the event is %+v, it was %+v", again, first)
	}
	r.await(t, first.id, StateDelivered)

	ann := "ann"
	r.deleted.Store(&ann)
	r.publish(t, recordOf("j2", to.URL))
	if err := r.Erase(t.Context(), "ann"); err != nil {
		t.Fatal(err)
	}
	deleted := recordOf("j3", to.URL)
	r.publish(t, deleted)
	other := recordOf("j4", to.URL)
	other.Spec.Owner = "bob"
	r.publish(t, other)
	if got := to.next(t); got.id != ended(other).ID {
		t.Errorf("the event of a deleted account is sent: %+v", got)
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	r := start(t)
	now := time.Date(2026, time.March, 4, 5, 6, 7, 0, time.UTC)
	r.now = func() time.Time { return now }
	secrets := func() []string {
		set, err := r.read(t.Context(), "ann")
		if err != nil {
			t.Fatal(err)
		}
		var texts []string
		for _, key := range r.keys("ann", set) {
			texts = append(texts, formatSecret(key))
		}
		return texts
	}
	first := secrets()
	rotated, err := r.Rotate(t.Context(), "ann")
	if err != nil {
		t.Fatal(err)
	}
	both := secrets()
	if len(first) != 1 || len(both) != 2 || both[1] != first[0] || both[0] != rotated.Secret || both[0] == both[1] {
		t.Errorf("the secret was %v, and after a rotation they are %v", first, both)
	}
	if until := rotated.PreviousUntil; until == nil || !until.Equal(now.Add(24*time.Hour)) {
		t.Errorf("the previous secret signs until %v", until)
	}
	now = now.Add(24 * time.Hour)
	if after := secrets(); len(after) != 1 || after[0] != rotated.Secret {
		t.Errorf("a day later the secrets are %v", after)
	}
	if other, err := r.Secret(t.Context(), "bob"); err != nil || other.Secret == first[0] || other.Secret == rotated.Secret {
		t.Errorf("another owner has %+v, %v", other, err)
	}
}
