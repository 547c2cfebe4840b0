package processor_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/catalogue"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
	"github.com/text2image-audio/text2image-audio/worker/fault"
)

// TestWorkerWithTheKeyOfThePort does all that a worker does with what its key allows: results, media, progress, dead letters,
// refunds, circuits, pauses, cancels, announcements and the catalogue.
func TestWorkerWithTheKeyOfThePort(t *testing.T) {
	t.Parallel()
	var dir string
	r := newRig(t, withPort, func(c *broker.Config) { c.OpenPort, dir = false, c.DataDir })
	log := &lines{}
	b, err := broker.Open(t.Context(), broker.Config{URL: env.Secret(r.broker.ClientURL()), Follower: true, DataDir: dir},
		slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		_ = b.Close(ctx)
	})
	hold := newGate(t)
	g := newFake(func(c call) (*job.Result, error) {
		switch c.task.Spec.Kind {
		case job.KindAudio:
			return nil, imageFault(fault.Permanent, job.CodeUnavailable)
		case job.KindImage:
			if c.n == 1 {
				return nil, throttled(200 * time.Millisecond)
			}
		case job.KindPrompt:
			return nil, hold.pass(c.ctx)
		case job.KindTranslation:
		}
		return succeed(c)
	})
	w := startOn(t, b, g)

	q := quota.New(r.broker, quota.Plans{Media: quota.Plan{Member: quota.Limits{PerDay: 9}, AddressPerDay: 20}}, nil)
	failing := newSpec(t, job.KindAudio)
	key := quota.Key{Group: quota.GroupMedia, Lane: failing.Lane, Owner: "who", Address: "address"}
	bill, err := q.Charge(t.Context(), key, failing.ID, 1)
	if err != nil {
		t.Fatal(err)
	}
	failing.Charge = bill.Charge
	if _, _, err := r.jobs.Submit(t.Context(), failing, false); err != nil {
		t.Fatal(err)
	}
	canceled := r.submit(job.KindPrompt)
	set := r.submit(job.KindImage, input(pictures(3, 1)))
	text := r.submit(job.KindTranslation)
	for _, s := range []*job.Spec{set, text} {
		if record := r.settled(s); record.Status != job.StatusSucceeded {
			t.Errorf("%s: %+v", s.Kind, record)
		}
	}
	if record := r.settled(failing); record.Status != job.StatusFailed || r.dead(failing) == nil {
		t.Errorf("%+v, dead letter %+v", record, r.dead(failing))
	}
	usage, err := q.Usage(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if record := r.ended(failing); record.GivesBack() != 1 || usage[0].Used != 0 || usage[1].Used != 0 {
		t.Errorf("gives back %d, used %+v", record.GivesBack(), usage)
	}
	r.eventually("the prompt is worked", func() bool { return g.count(canceled.ID) > 0 })
	if _, err := r.jobs.Cancel(t.Context(), []string{canceled.Owner}, canceled.ID); err != nil {
		t.Fatal(err)
	}
	r.settled(canceled)
	if err := catalogue.NewLive(b, slog.New(slog.DiscardHandler)).Publish(t.Context(), &job.Catalogue{}); err != nil && strings.Contains(err.Error(), "deadline") {
		t.Errorf("publish the catalogue: %v", err)
	}
	w.stop()
	if text := log.String() + w.log.String(); strings.Contains(strings.ToLower(text), "permission") {
		t.Errorf("something was not allowed: %s", text)
	}
}
