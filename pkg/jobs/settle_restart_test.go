package jobs_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// TestSettleAfterAPowerFailure lets the power of the machine with NATS fail after a worker on another one has stored the media of a
// job, and before it stores the record: the media were not on disk yet, and are gone.
func TestSettleAfterAPowerFailure(t *testing.T) {
	t.Parallel()
	remote := brokertest.StartRemote(t)
	r := on(t, remote.Broker)
	fail := func() {
		remote.Restart()
		stream, err := remote.API().JetStream().Stream(t.Context(), broker.ResultsStream)
		if err == nil {
			err = stream.Purge(t.Context(), jetstream.WithPurgeSubject(broker.OwnerMediaSubject("u1")))
		}
		if err != nil {
			t.Error(err)
		}
	}
	// before calls f before the first write of the record.
	before := func(f func()) func(context.Context, jobs.Step, int, func(context.Context) error) error {
		done := false
		return func(ctx context.Context, step jobs.Step, _ int, write func(context.Context) error) error {
			if step == jobs.StepRecord && !done {
				done = true
				f()
			}
			return write(ctx)
		}
	}
	settle := func(t *testing.T, st jobs.Settlement) (*job.Record, error) {
		t.Helper()
		final, _, err := r.Settle(t.Context(), st)
		return final, err
	}
	stored := func(t *testing.T, id string, r *rig) job.Media {
		t.Helper()
		m, err := r.store.PutMedia(t.Context(), "u1", id, products()[0].Media, products()[0].Data)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	t.Run("media at hand", func(t *testing.T) {
		final, err := settle(t, jobs.Settlement{Record: succeeded("j1"), Products: products(), Server: r.GroupCommitServer(), Write: before(fail)})
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range final.Result.Media {
			content, err := r.store.OpenMedia(t.Context(), "u1", "j1", m)
			if err != nil {
				t.Fatal(err)
			}
			if data, err := io.ReadAll(content); err != nil || string(data) != string(products()[i].Data) {
				t.Errorf("%q, %v", data, err)
			}
		}
	})
	t.Run("media of an earlier step", func(t *testing.T) {
		record, server := succeeded("j2"), r.GroupCommitServer()
		record.Result = &job.Result{Media: []job.Media{stored(t, "j2", r)}}
		if _, err := settle(t, jobs.Settlement{Record: record, Server: server, Write: before(fail)}); !errors.Is(err, store.ErrGone) {
			t.Errorf("settled: %v", err)
		}
		if _, err := r.store.RecordLeader(t.Context(), "u1", "j2"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the record: %v", err)
		}
	})
	t.Run("nothing was lost", func(t *testing.T) {
		record, server := succeeded("j3"), r.GroupCommitServer()
		record.Result = &job.Result{Media: []job.Media{stored(t, "j3", r)}}
		if _, err := settle(t, jobs.Settlement{Record: record, Server: server, Write: before(func() { remote.Restart() })}); err != nil {
			t.Errorf("settled: %v", err)
		}
	})
}
