package jobs_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// onCluster returns a service for each node of a cluster, connected to that node alone.
func onCluster(t *testing.T) (*brokertest.Cluster, []*rig) {
	t.Helper()
	c := brokertest.StartCluster(t)
	var rigs []*rig
	for i := range 3 {
		rigs = append(rigs, on(t, c.Open(i)))
	}
	return c, rigs
}

// TestOnACluster uses all nodes of a cluster, concurrently or in turn, which must behave like a single one.
func TestOnACluster(t *testing.T) {
	t.Parallel()
	_, rigs := onCluster(t)
	t.Run("concurrent keyed submits", func(t *testing.T) { concurrentKeyedSubmits(t, rigs) })
	t.Run("concurrent ends", func(t *testing.T) { concurrentEnds(t, rigs) })
	t.Run("concurrent claims", func(t *testing.T) { concurrentClaims(t, rigs) })
	t.Run("reads at every node", func(t *testing.T) { readsAtEveryNode(t, rigs) })
}

// concurrentKeyedSubmits submits each key at all nodes concurrently. A cluster refuses the second publish while the first is
// pending and cannot be read.
func concurrentKeyedSubmits(t *testing.T, rigs []*rig) {
	t.Helper()
	for range 40 {
		id := keyedID()
		var first atomic.Int32
		var wg sync.WaitGroup
		for i := range 9 {
			wg.Go(func() {
				snap, replayed, err := rigs[i%3].Enqueue(t.Context(), keyed(t, id, "f1"), true)
				if err != nil || snap.Spec.ID != id {
					t.Errorf("%+v, %v", snap, err)
				}
				if !replayed {
					first.Add(1)
				}
			})
		}
		wg.Wait()
		if first.Load() != 1 {
			t.Errorf("%d submissions were not replayed", first.Load())
		}
	}
	if ids, err := rigs[0].queue.OwnerIDs(t.Context(), "u1"); err != nil || len(ids) != 40 {
		t.Errorf("in the queue: %d, %v", len(ids), err)
	}
}

// concurrentEnds ends each job at all nodes concurrently. The second must neither treat the job as deleted nor remove what the
// first has stored.
func concurrentEnds(t *testing.T, rigs []*rig) {
	t.Helper()
	for range 40 {
		spec := fresh(t, "u3")
		rigs[0].submitSpec(t, spec)
		var winners atomic.Int32
		var ended atomic.Pointer[job.Record]
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() {
				record := &job.Record{Status: job.StatusSucceeded, Spec: spec, Attempt: i + 1}
				products := []store.Product{{Media: job.Media{ContentType: "image/png"}, Data: []byte("an image")}}
				final, won, err := rigs[i%3].Settle(t.Context(), jobs.Settlement{Record: record, Products: products})
				if err != nil || final.Status != job.StatusSucceeded {
					t.Errorf("settle: %+v, %v", final, err)
				}
				if won {
					winners.Add(1)
					ended.Store(final)
				}
			})
		}
		wg.Wait()
		if winners.Load() != 1 {
			t.Fatalf("%d ended the job", winners.Load())
		}
		for _, m := range ended.Load().Result.Media {
			if err := rigs[1].store.CheckMedia(t.Context(), "u3", spec.ID, m); err != nil {
				t.Errorf("media: %v", err)
			}
		}
	}
}

// TestWithoutAQuorum submits and ends jobs while two of three nodes are down. The remaining node accepts writes, does not answer
// them, and refuses repetitions because of them, which must be taken neither for an existing job nor for a deleted one.
func TestWithoutAQuorum(t *testing.T) {
	t.Parallel()
	c, _ := onCluster(t)
	leader := c.Leader(broker.StreamJobs)
	results := on(t, c.Open(c.Leader(broker.ResultsStream)))
	r := on(t, c.Open(leader))
	running := fresh(t, "u1")
	r.submitSpec(t, running)
	away := []int{(leader + 1) % 3, (leader + 2) % 3}
	for _, i := range away {
		c.Stop(i)
	}
	id := keyedID()
	if snap, _, err := r.Enqueue(t.Context(), keyed(t, id, "f1"), true); err == nil || errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("submit without a quorum: %+v, %v", snap, err)
	}
	_, _, err := results.store.PutRecord(t.Context(), &job.Record{Status: job.StatusFailed, Spec: running, Attempt: 1})
	if err == nil || errors.Is(err, store.ErrDeleted) {
		t.Errorf("end without a quorum: %v", err)
	}
	c.Restart(away...)
	c.Leader(broker.ResultsStream)
	c.Leader(broker.StreamJobs)
	retry(t, func() error {
		snap, _, err := r.Enqueue(t.Context(), keyed(t, id, "f1"), true)
		if err == nil && snap.Spec.ID != id {
			t.Errorf("submitted %s, want %s", snap.Spec.ID, id)
		}
		return err
	})
	retry(t, func() error {
		_, _, err := results.store.PutRecord(t.Context(), &job.Record{Status: job.StatusFailed, Spec: running, Attempt: 1})
		return err
	})
	for i := range 3 {
		r := on(t, c.Open(i))
		for want, id := range map[job.Status]string{job.StatusQueued: id, job.StatusFailed: running.ID} {
			if snap, err := r.Read(t.Context(), []string{"u1"}, id); err != nil || snap.Status() != want {
				t.Errorf("at node %d: %+v, %v, want %s", i, snap, err, want)
			}
		}
	}
}

// retry calls do until it succeeds: a cluster may refuse requests until it has elected its leaders.
func retry(t *testing.T, do func() error) {
	t.Helper()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for limit := time.Now().Add(hang); ; <-ticker.C {
		err := do()
		if err == nil {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("still refused after %s: %v", hang, err)
		}
	}
}

// readsAtEveryNode reads each job at all nodes right after each step. A node that is behind must show a job neither as missing,
// nor as running after it has ended.
func readsAtEveryNode(t *testing.T, rigs []*rig) {
	t.Helper()
	for n := range 60 {
		spec := fresh(t, "u2")
		rigs[n%3].submitSpec(t, spec)
		for i, r := range rigs {
			if got := r.read(t, spec).Status(); got != job.StatusQueued {
				t.Errorf("submitted, at node %d: %s", i, got)
			}
		}
		rigs[(n+1)%3].record(t, spec, job.StatusSucceeded)
		for i, r := range rigs {
			if got := r.read(t, spec).Status(); got != job.StatusSucceeded {
				t.Errorf("ended, at node %d: %s", i, got)
			}
		}
		rigs[(n+2)%3].unqueue(t, spec)
		for i, r := range rigs {
			if got := r.read(t, spec).Status(); got != job.StatusSucceeded {
				t.Errorf("settled, at node %d: %s", i, got)
			}
		}
		if n%20 > 0 {
			continue
		}
		for i, r := range rigs {
			page, err := r.List(t.Context(), []string{"u2"}, jobs.Filter{Limit: 1000})
			if err != nil || len(page.Jobs) != n+1 {
				t.Fatalf("list at node %d: %d jobs, want %d, %v", i, len(page.Jobs), n+1, err)
			}
			if got := page.Jobs[0]; got.Spec.ID != spec.ID || got.Status() != job.StatusSucceeded {
				t.Errorf("list at node %d starts with %s, %s", i, got.Spec.ID, got.Status())
			}
		}
	}
}

// TestEachNodeAway runs all operations on jobs while one node after the other is down.
func TestEachNodeAway(t *testing.T) {
	t.Parallel()
	c := brokertest.StartCluster(t)
	r := on(t, c.Open())
	for i := range 3 {
		spec, canceled := fresh(t, "u1"), fresh(t, "u1")
		r.submitSpec(t, spec)
		c.Stop(i)
		c.Leader(broker.StreamJobs)
		c.Leader(broker.ResultsStream)
		c.Leader(broker.ProgressStream)
		retry(t, func() error {
			_, _, err := r.Enqueue(t.Context(), canceled, true)
			return err
		})
		retry(t, func() error {
			snap, err := r.Cancel(t.Context(), []string{"u1"}, canceled.ID)
			if err == nil && snap.Status() != job.StatusCanceled {
				t.Errorf("node %d away: canceled, but %s", i, snap.Status())
			}
			return err
		})
		retry(t, func() error {
			final, _, err := r.store.PutRecord(t.Context(), &job.Record{Status: job.StatusSucceeded, Spec: spec, Attempt: 1})
			if err == nil && final.Status != job.StatusSucceeded {
				t.Errorf("node %d away: settled as %s", i, final.Status)
			}
			return err
		})
		retry(t, func() error {
			page, err := r.List(t.Context(), []string{"u1"}, jobs.Filter{Limit: 100})
			if err == nil && len(page.Jobs) != 2*(i+1) {
				t.Errorf("node %d away: %d jobs listed", i, len(page.Jobs))
			}
			return err
		})
		c.Restart(i)
	}
}

// TestLeaderLostDuringLoad stops the leader of the queue while jobs are submitted. No accepted job may be lost.
func TestLeaderLostDuringLoad(t *testing.T) {
	t.Parallel()
	c := brokertest.StartCluster(t)
	r := on(t, c.Open())
	var mu sync.Mutex
	var accepted []*job.Spec
	acceptances := make(chan struct{}, 1<<16)
	submit := func(until <-chan struct{}) {
		for {
			select {
			case <-until:
				return
			default:
			}
			spec := fresh(t, "u1")
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			_, _, err := r.Enqueue(ctx, spec, false)
			cancel()
			if err == nil {
				mu.Lock()
				accepted = append(accepted, spec)
				mu.Unlock()
				select {
				case acceptances <- struct{}{}:
				default:
				}
			}
		}
	}
	for range 2 {
		until := make(chan struct{})
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { submit(until) })
		}
		for range 20 {
			select {
			case <-acceptances:
			case <-time.After(hang):
				t.Fatal("no job is accepted")
			}
		}
		lost := c.Leader(broker.StreamJobs)
		c.Stop(lost)
		c.Leader(broker.StreamJobs)
		retry(t, func() error {
			_, _, err := r.Enqueue(t.Context(), fresh(t, "u2"), false)
			return err
		})
		close(until)
		wg.Wait()
		c.Restart(lost)
	}
	if len(accepted) == 0 {
		t.Fatal("no job was accepted")
	}
	c.Leader(broker.StreamJobs)
	for _, spec := range accepted {
		retry(t, func() error {
			_, err := r.Read(t.Context(), []string{"u1"}, spec.ID)
			if errors.Is(err, jobs.ErrNotFound) {
				t.Errorf("job lost: %s", spec.ID)
				return nil
			}
			return err
		})
	}
}
