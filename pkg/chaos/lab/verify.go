//go:build unix

package lab

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/chaos/claims"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// emptyTimeout bounds the wait for the queue to become empty: a job that was settled by a worker which then died is
// delivered once more before it leaves.
const emptyTimeout = 60 * time.Second

// verify holds what clients were told against what is stored, after everything is good again.
func (p *plant) verify(ctx context.Context, l *load) {
	p.awaitEmpty(ctx)
	for _, j := range p.book.Jobs() {
		if ctx.Err() != nil {
			p.book.Fault("comparing took too long")
			return
		}
		if j.Deleting && !j.Deleted {
			// It may be there or not; what is there must be whole, but that the others show.
			continue
		}
		p.compare(ctx, l, j)
	}
}

// compare holds one job against the store and against what both APIs say.
func (p *plant) compare(ctx context.Context, l *load, j claims.Job) {
	record, err := p.store.RecordLeader(ctx, j.Owner, j.ID)
	switch {
	case j.Deleted && errors.Is(err, store.ErrNotFound):
	case j.Deleted:
		p.book.Fault("deleted job is there: %s (%s), %v", j.ID, j.Name, err)
		return
	case errors.Is(err, store.ErrNotFound):
		p.book.Fault("job lost: %s (%s) was accepted and has no end", j.ID, j.Name)
		return
	case err != nil:
		p.book.Fault("record of %s cannot be read: %v", j.ID, err)
		return
	}
	c := l.owned(j.Owner)
	for _, url := range c.urls {
		one := *c
		one.urls = []string{url}
		status, data, err := one.call(ctx, p.cfg.dice(9), 0, http.MethodGet, "/api/jobs/"+j.ID, nil)
		switch {
		case err != nil:
			p.book.Fault("%s cannot be read after all is well: %v", j.ID, err)
			continue
		case j.Deleted && status == http.StatusNotFound:
			continue
		case j.Deleted || status != http.StatusOK:
			p.book.Fault("reading of %s (%s, deleted %t) is answered with %d: %.300s", j.ID, j.Name, j.Deleted, status, data)
			continue
		}
		v := one.see(time.Now(), data)
		if v == nil {
			continue
		}
		if v.Status != string(record.Status) {
			p.book.Fault("%s is shown as %s and stored as %s", j.ID, v.Status, record.Status)
		}
		if !one.download(ctx, p.cfg.dice(9), v) {
			p.book.Fault("media of %s cannot be read", j.ID)
		}
	}
	if !j.Deleted && record.Status == job.StatusFailed {
		_, err := broker.LeaderLast(ctx, p.broker.JetStream(), broker.StreamDead, broker.DeadSubject(record.Spec.Kind, j.Owner, j.ID))
		if err != nil {
			p.book.Fault("failed job %s (%s) has no dead letter: %v", j.ID, j.Name, err)
		}
	}
}

// awaitEmpty waits until no job is in the queue.
func (p *plant) awaitEmpty(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, emptyTimeout)
	defer cancel()
	var left uint64
	for {
		s, err := p.broker.JetStream().Stream(ctx, broker.StreamJobs)
		if err == nil {
			if left = s.CachedInfo().State.Msgs; left == 0 {
				return
			}
		}
		if !lifecycle.Sleep(ctx, again) {
			p.book.Fault("%d jobs are still in the queue", left)
			return
		}
	}
}

// owned returns a client that may read an owner's jobs.
func (l *load) owned(owner string) *client {
	for _, c := range l.clients {
		if c.owner == owner {
			return c
		}
	}
	return l.clients[len(l.clients)-1]
}
