package store_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"golang.org/x/sync/errgroup"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// createMany creates records of u1 with a result of the given size.
func createMany(t testing.TB, s *store.Store, ids []string, size int) {
	t.Helper()
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(32)
	for _, id := range ids {
		group.Go(func() error {
			r := succeeded(id)
			r.Result = &job.Result{Text: strings.Repeat("x", size)}
			_, _, err := s.PutRecord(ctx, r)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}

func TestRecordsAndProgresses(t *testing.T) {
	t.Parallel()
	s, b := start(t)
	all := ids(1000)
	if got, err := s.Records(t.Context(), "u1", all); err != nil || len(got) != 0 {
		t.Errorf("before: %d records, %v", len(got), err)
	}
	createMany(t, s, all[:900], 4000)
	for _, id := range all[:10] {
		if _, err := s.PutProgress(t.Context(), "u1", &job.Progress{ID: id, Status: job.StatusRunning}, 0); err != nil {
			t.Fatal(err)
		}
	}
	// Media and records of a newer version are ignored.
	if _, err := s.PutMedia(t.Context(), "u1", all[0], job.Media{}, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.JetStream().Publish(t.Context(), broker.RecordSubject("u1", all[950]), []byte(`{"v":2}`)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		ids  []string
		want int
	}{
		"none": {nil, 0}, "one": {all[:1], 1}, "a missing one": {all[999:], 0}, "some missing": {all[895:905], 5}, "all": {all, 900},
		"newer": {all[950:951], 0},
	} {
		got, err := s.Records(t.Context(), "u1", c.ids)
		if err != nil || len(got) != c.want {
			t.Errorf("%s: %d records, %v", name, len(got), err)
		}
		for id, r := range got {
			if r.Spec.ID != id || !slices.Contains(c.ids, id) {
				t.Errorf("%s: %s under %s", name, r.Spec.ID, id)
			}
		}
	}
	if got, err := s.Records(t.Context(), "u2", all[:5]); err != nil || len(got) != 0 {
		t.Errorf("of another owner: %d, %v", len(got), err)
	}
	got, err := s.Progresses(t.Context(), "u1", all)
	if err != nil || len(got) != 10 || got[all[3]] == nil || got[all[3]].ID != all[3] {
		t.Errorf("%d progresses, %v", len(got), err)
	}
	if got, err := s.Progresses(t.Context(), "u1", nil); err != nil || len(got) != 0 {
		t.Errorf("no progresses: %d, %v", len(got), err)
	}
}

// TestRecordsWithoutNATS checks that a missing answer is an error.
func TestRecordsWithoutNATS(t *testing.T) {
	t.Parallel()
	opts := &server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, JetStream: true, StoreDir: t.TempDir()}
	srv, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	if !srv.ReadyForConnections(hang) {
		t.Fatal("the server did not start")
	}
	b := brokertest.Start(t, func(c *broker.Config) { c.URL = env.Secret(srv.ClientURL()) })
	s, err := store.New(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	create(t, s, succeeded("j1"))
	srv.Shutdown()
	srv.WaitForShutdown()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if got, err := s.Records(ctx, "u1", []string{"j1"}); err == nil {
		t.Errorf("%v", got)
	}
}

func TestOwnerIDsOfThousands(t *testing.T) {
	t.Parallel()
	s, _ := start(t)
	if got, err := s.OwnerIDs(t.Context(), "u1"); err != nil || len(got) != 0 {
		t.Errorf("of an unknown owner: %v, %v", got, err)
	}
	want := ids(3000)
	createMany(t, s, want, 0)
	if _, err := s.PutMedia(t.Context(), "u1", want[7], job.Media{}, []byte("x")); err != nil {
		t.Fatal(err)
	}
	other := succeeded("other")
	other.Spec.Owner = "u2"
	create(t, s, other)
	got, err := s.OwnerIDs(t.Context(), "u1")
	slices.Sort(got)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%d ids, %v", len(got), err)
	}
}
