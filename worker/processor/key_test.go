package processor_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/catalogue"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/processor/processortest"
)

// TestWorkerWithThePortKey does everything that a worker does with the permissions of its key: results, media, progress,
// dead letters, refunds, circuit breakers, pauses, cancels, registrations and the catalogue.
func TestWorkerWithThePortKey(t *testing.T) {
	t.Parallel()
	var dir string
	r := newRig(t, withPort, brokertest.RequireKey, func(c *broker.Config) { dir = c.DataDir })
	log := &processortest.Log{}
	b, err := broker.Open(t.Context(), broker.Config{URL: env.Secret(r.Broker.ClientURL()), Follower: true, DataDir: dir},
		slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), processortest.Timeout)
		defer cancel()
		_ = b.Close(ctx)
	})
	hold := newGate(t)
	g := processortest.NewGenerator(func(c processortest.Call) (*job.Result, error) {
		switch c.Task.Spec.Kind {
		case job.KindAudio:
			return nil, imageFault(fault.Permanent, job.CodeUnavailable)
		case job.KindImage:
			if c.N == 1 {
				return nil, throttled(200 * time.Millisecond)
			}
		case job.KindPrompt:
			return nil, hold.pass(c.Ctx)
		case job.KindTranslation:
		}
		return processortest.Succeed(c)
	})
	w := processortest.StartOn(t, b, g)

	q := quota.New(r.Broker, quota.Plans{Media: quota.Plan{Member: quota.Limits{PerDay: 9}, AddressPerDay: 20}}, nil)
	failing := processortest.NewSpec(t, job.KindAudio)
	key := quota.Key{Group: quota.GroupMedia, Lane: failing.Lane, Owner: "who", Address: "address"}
	bill, err := q.Charge(t.Context(), key, failing.ID, 1)
	if err != nil {
		t.Fatal(err)
	}
	failing.Charge = bill.Charge
	if _, _, err := r.Jobs.Enqueue(t.Context(), failing, false); err != nil {
		t.Fatal(err)
	}
	canceled := r.Submit(job.KindPrompt)
	set := r.Submit(job.KindImage, processortest.Images(3, 1))
	text := r.Submit(job.KindTranslation)
	one, two := r.Submit(job.KindImage, identical), r.Submit(job.KindImage, identical)
	if r.WaitSettled(one).Cached == r.WaitSettled(two).Cached {
		t.Error("identical jobs did not share a result")
	}
	for _, s := range []*job.Spec{set, text} {
		if record := r.WaitSettled(s); record.Status != job.StatusSucceeded {
			t.Errorf("%s: %+v", s.Kind, record)
		}
	}
	if record := r.WaitSettled(failing); record.Status != job.StatusFailed || r.DeadLetter(failing) == nil {
		t.Errorf("%+v, dead letter %+v", record, r.DeadLetter(failing))
	}
	usage, err := q.Usage(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if record := r.WaitRecord(failing); record.GivesBack() != 1 || usage[0].Used != 0 || usage[1].Used != 0 {
		t.Errorf("refund is %d, used %+v", record.GivesBack(), usage)
	}
	r.Eventually("the prompt job runs", func() bool { return g.Count(canceled.ID) > 0 })
	if _, err := r.Jobs.Cancel(t.Context(), []string{canceled.Owner}, canceled.ID); err != nil {
		t.Fatal(err)
	}
	r.WaitSettled(canceled)
	live, err := catalogue.NewLive(t.Context(), b, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := live.Publish(t.Context(), &job.Catalogue{}); err != nil && strings.Contains(err.Error(), "deadline") {
		t.Errorf("publish the catalogue: %v", err)
	}
	w.Shutdown()
	if text := log.String() + w.Log.String(); strings.Contains(strings.ToLower(text), "permission") {
		t.Errorf("an operation was not permitted: %s", text)
	}
}
