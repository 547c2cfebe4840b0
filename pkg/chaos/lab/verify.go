//go:build unix

package lab

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/chaos/model"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// emptyTimeout bounds the wait for an empty queue: a job whose worker died right after settling it is delivered once more
// before it is removed.
const emptyTimeout = 60 * time.Second

// verify compares the responses to clients with the store, after all faults were removed.
func (cl *cluster) verify(ctx context.Context, l *load) {
	cl.awaitEmpty(ctx)
	for _, j := range cl.model.Jobs() {
		if ctx.Err() != nil {
			cl.model.Violation("verification took too long")
			return
		}
		if j.Deleting && !j.Deleted {
			// It may or may not exist.
			continue
		}
		cl.compare(ctx, l, j)
	}
}

// compare compares one job with the store and with the responses of both APIs.
func (cl *cluster) compare(ctx context.Context, l *load, j model.Job) {
	record, err := cl.store.RecordLeader(ctx, j.Owner, j.ID)
	switch {
	case j.Deleted && errors.Is(err, store.ErrNotFound):
	case j.Deleted:
		cl.model.Violation("deleted job exists: %s (%s), %v", j.ID, j.Name, err)
		return
	case errors.Is(err, store.ErrNotFound):
		cl.model.Violation("job lost: %s (%s) was accepted and has no terminal record", j.ID, j.Name)
		return
	case err != nil:
		cl.model.Violation("read record of %s: %v", j.ID, err)
		return
	}
	c := l.clientOf(j.Owner)
	for _, url := range c.urls {
		one := *c
		one.urls = []string{url}
		status, data, err := one.call(ctx, cl.cfg.rng(9), 0, http.MethodGet, "/api/jobs/"+j.ID, nil)
		switch {
		case err != nil:
			cl.model.Violation("%s cannot be read after all faults were removed: %v", j.ID, err)
			continue
		case j.Deleted && status == http.StatusNotFound:
			continue
		case j.Deleted || status != http.StatusOK:
			cl.model.Violation("read of %s (%s, deleted %t) returned %d: %.300s", j.ID, j.Name, j.Deleted, status, data)
			continue
		}
		v := one.observe(time.Now(), data)
		if v == nil {
			continue
		}
		if v.Status != string(record.Status) {
			cl.model.Violation("%s is %s in the response and %s in the store", j.ID, v.Status, record.Status)
		}
		if !one.download(ctx, cl.cfg.rng(9), v) {
			cl.model.Violation("media of %s cannot be read", j.ID)
		}
	}
	if !j.Deleted && record.Status == job.StatusFailed {
		_, err := broker.LeaderLast(ctx, cl.broker.JetStream(), broker.StreamDead, broker.DeadSubject(record.Spec.Kind, j.Owner, j.ID))
		if err != nil {
			cl.model.Violation("failed job %s (%s) has no dead letter: %v", j.ID, j.Name, err)
		}
	}
}

// awaitEmpty waits until the queue is empty.
func (cl *cluster) awaitEmpty(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, emptyTimeout)
	defer cancel()
	var left uint64
	for {
		s, err := cl.broker.JetStream().Stream(ctx, broker.StreamJobs)
		if err == nil {
			if left = s.CachedInfo().State.Msgs; left == 0 {
				return
			}
		}
		if !lifecycle.Sleep(ctx, retryDelay) {
			cl.model.Violation("%d jobs are still in the queue", left)
			return
		}
	}
}

// clientOf returns a client that may read the jobs of an owner.
func (l *load) clientOf(owner string) *client {
	for _, c := range l.clients {
		if c.owner == owner {
			return c
		}
	}
	return l.clients[len(l.clients)-1]
}
