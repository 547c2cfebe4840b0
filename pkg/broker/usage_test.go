package broker_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/env"
)

func TestUsage(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t, func(c *broker.Config) { c.MaxQueuedJobs, c.MaxStoreMB = 7, 64 })
	if _, err := b.JetStream().Publish(t.Context(), broker.JobSubject("image", "guest", "owner", "id"), make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	// A stream of another application in the same account is not included.
	if _, err := b.JetStream().CreateStream(t.Context(), jetstream.StreamConfig{Name: "FOREIGN", Subjects: []string{"foreign"}}); err != nil {
		t.Fatal(err)
	}
	u, err := b.Usage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(u.Streams) != 15 || !slices.IsSortedFunc(u.Streams, func(x, y broker.StreamUse) int { return slices.Compare([]byte(x.Name), []byte(y.Name)) }) {
		t.Errorf("the streams are %+v", u.Streams)
	}
	for _, s := range u.Streams {
		switch {
		case s.Name == "FOREIGN":
			t.Error("a foreign stream is included")
		case s.Name == broker.StreamJobs && (s.Messages != 1 || s.Bytes < 1000 || s.MaxMessages != 7 || s.MaxBytes != 0):
			t.Errorf("the queue is %+v", s)
		}
	}
	if u.FileBytes < 1000 || u.FileLimit != 64<<20 {
		t.Errorf("the files use %d of %d", u.FileBytes, u.FileLimit)
	}
	if u.DiskSize == 0 || u.DiskFree == 0 || u.DiskFree > u.DiskSize {
		t.Errorf("the disk has %d of %d free", u.DiskFree, u.DiskSize)
	}
}

// writes records the observed publishes.
type writes struct {
	mu   sync.Mutex
	seen []string
}

func (w *writes) ObserveWrite(stream, result string, took time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, fmt.Sprint(stream, " ", result, " ", took > 0))
}

func TestWritesAreObserved(t *testing.T) {
	t.Parallel()
	var w writes
	b := brokertest.Start(t, func(c *broker.Config) { c.Observer = &w })
	publish := func(subject string, opts ...jetstream.PublishOpt) {
		_, _ = b.JetStream().Publish(t.Context(), subject, []byte("1"), opts...)
	}
	job := broker.JobSubject("image", "guest", "owner", "id")
	publish(job, jetstream.WithExpectLastSequencePerSubject(0))
	publish(job, jetstream.WithExpectLastSequencePerSubject(0))
	publish(broker.RecordSubject("owner", "id"))
	publish(broker.DeadSubject("image", "owner", "id"))
	publish("no.stream", jetstream.WithRetryAttempts(0))
	want := []string{"JOBS stored true", "JOBS conflict true", "KV_RESULTS stored true", "DEAD stored true", "other failed true"}
	if !slices.Equal(w.seen, want) {
		t.Errorf("observed %q, want %q", w.seen, want)
	}
}

// TestFullAccountHasNoRoom publishes to a full account. The error is temporary, and nothing is stored.
func TestFullAccountHasNoRoom(t *testing.T) {
	t.Parallel()
	srv := brokertest.StartServer(t)
	limits := map[string]server.JetStreamAccountLimits{"": {MaxMemory: -1, MaxStore: 1 << 20, MaxStreams: -1, MaxConsumers: -1}}
	if err := srv.GlobalAccount().UpdateJetStreamLimits(limits); err != nil {
		t.Fatal(err)
	}
	b := brokertest.Start(t, func(c *broker.Config) { c.URL = env.Secret(srv.ClientURL()) })
	u, err := b.Usage(t.Context())
	if err != nil || u.FileLimit != 1<<20 || u.DiskSize != 0 {
		t.Errorf("the use is %+v, %v", u, err)
	}
	for i := range 4 {
		_, err = b.JetStream().Publish(t.Context(), broker.RecordSubject("owner", fmt.Sprint(i)), make([]byte, 400<<10))
		if err != nil {
			break
		}
	}
	if !broker.NoRoom(err) {
		t.Errorf("a full account returns %v", err)
	}
}
