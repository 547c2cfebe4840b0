package spend_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/spend"
)

// ended returns the record of a member's job that has ended just now, with an image that has cost something.
func ended(id, model, cost string, options ...func(*job.Record)) *job.Record {
	now := time.Now()
	r := &job.Record{
		Status: job.StatusSucceeded, FinishedAt: job.At(now),
		Result: &job.Result{Media: []job.Media{{}}, Usage: &job.Usage{Images: 1, Cost: cost, Currency: "pollen"}},
		Spec: &job.Spec{
			ID: id, Kind: job.KindImage, Lane: job.LaneMember, Owner: "u1", Input: &job.ImageInput{Prompt: "p", Model: model},
			CreatedAt: job.At(now), Deadline: job.At(now.Add(time.Hour)), Spending: &job.Spending{},
		},
	}
	for _, option := range options {
		option(r)
	}
	return r
}

func add(t testing.TB, c *spend.Counters, r *job.Record, fresh bool) {
	t.Helper()
	if err := c.Add(t.Context(), r, fresh); err != nil {
		t.Error(err)
	}
}

// report returns the rows of a report and its sums in a few words.
func report(t testing.TB, c *spend.Counters, q spend.Query) string {
	t.Helper()
	if q.Since == "" {
		q.Since, q.Until = "20000101", "29991231"
	}
	rows, sums, err := c.Report(t.Context(), "u1", q)
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	for _, r := range slices.Concat(rows, sums) {
		text += fmt.Sprintf("%s %s %s %s: %d jobs, %d units, %s %s, %d unpriced; ", r.Day, r.Kind, r.Model, r.APIKey, r.Jobs, r.Units, r.Cost, r.Currency, r.Unpriced)
	}
	return text
}

// TestCountOnce counts jobs that end at the same time, in two processes, and repeats that at once and after NATS has forgotten their
// marks.
func TestCountOnce(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	one, other := spend.New(b), spend.New(b)
	const jobs = 300
	records := make([]*job.Record, jobs)
	for i := range records {
		records[i] = ended(fmt.Sprint("j", i), "black-forest/flux.1", "0.00000003")
	}
	var wg sync.WaitGroup
	for _, r := range records {
		for _, c := range []*spend.Counters{one, other} {
			wg.Go(func() { add(t, c, r, true) })
		}
	}
	wg.Wait()
	const want = "   : 300 jobs, 300 units, 0.000009 pollen, 0 unpriced; "
	if got := report(t, one, spend.Query{}); got != want+want {
		t.Errorf("%s", got)
	}
	forgetMarks(t, b, records[0])
	for _, r := range records[:20] {
		add(t, other, r, false)
	}
	if got := report(t, one, spend.Query{}); got != want+want {
		t.Errorf("repeated: %s", got)
	}
	// A record that was stored more than a minute ago is not fresh: its process may have been paused.
	one.SetNow(func() time.Time { return records[0].FinishedAt.Add(2 * time.Minute) })
	add(t, one, records[0], true)
	if got := report(t, one, spend.Query{}); got != want+want {
		t.Errorf("late: %s", got)
	}
}

// TestCountMany counts more jobs at the same time than fit into one batch of NATS.
func TestCountMany(t *testing.T) {
	t.Parallel()
	c := spend.New(brokertest.Start(t))
	const jobs = 1100
	var wg sync.WaitGroup
	for i := range jobs {
		wg.Go(func() { add(t, c, ended(fmt.Sprint("j", i), fmt.Sprint("model", i), "0.00000003"), true) })
	}
	wg.Wait()
	rows, sums, err := c.Report(t.Context(), "u1", spend.Query{Since: "20000101", Until: "29991231"})
	if err != nil || len(sums) != 1 || sums[0].Jobs != jobs {
		t.Errorf("%d rows, sums %+v, %v; want %d jobs", len(rows), sums, err, jobs)
	}
}

// forgetMarks waits until NATS has forgotten the ID of the mark of a job, without which it detects no duplicate.
func forgetMarks(t testing.TB, b *broker.Broker, of *job.Record) {
	t.Helper()
	stream, err := b.JetStream().Stream(t.Context(), broker.StreamSpend)
	if err != nil {
		t.Fatal(err)
	}
	cfg := stream.CachedInfo().Config
	cfg.Duplicates = 100 * time.Millisecond
	timer := time.NewTicker(5 * time.Millisecond)
	defer timer.Stop()
	for n := 0; ; n++ {
		// NATS may check the IDs before it applies the new window, and then check again only after the old one.
		if n%100 == 0 {
			cfg.Duplicates += time.Millisecond
			if _, err := b.JetStream().UpdateStream(t.Context(), cfg); err != nil {
				t.Fatal(err)
			}
		}
		<-timer.C
		id := broker.SpendMarkSubject(job.DayOf(of.FinishedAt.Time), of.Spec.ID, of.Spec.CreatedAt.Time)
		ack, err := b.JetStream().PublishMsg(t.Context(), &nats.Msg{Subject: "spend.probe", Header: nats.Header{"Nats-Incr": {"+1"}, nats.MsgIdHdr: {id}}})
		if err != nil {
			t.Fatal(err)
		}
		if !ack.Duplicate {
			return
		}
	}
}

// TestReport groups and selects costs.
func TestReport(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	c := spend.New(b)
	noon := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	on := func(day int) func(*job.Record) {
		return func(r *job.Record) { r.Spec.CreatedAt = job.At(noon.AddDate(0, 0, day)) }
	}
	by := func(key string) func(*job.Record) { return func(r *job.Record) { r.Spec.APIKey = key } }
	text := func(r *job.Record) {
		r.Spec.Kind, r.Spec.Input = job.KindTranslation, &job.TextInput{Text: "t"}
		r.Result = &job.Result{Text: "t", Usage: &job.Usage{PromptTokens: 7}}
	}
	for i, r := range []*job.Record{
		ended("a", "flux", "0.002", on(0)),
		ended("b", "flux", "0.002", on(1), by("key_1")),
		ended("c", "gpt", "1.5", on(1), func(r *job.Record) { r.Result.Media = make([]job.Media, 3) }),
		ended("d", "", "", on(1), text),
		ended("e", "flux", "9", on(1), func(r *job.Record) { r.Spec.Spending = nil }),                // a guest's
		ended("f", "flux", "9", on(1), func(r *job.Record) { r.Result = nil }),                       // one that has failed
		ended("g", "flux", "9", on(1), func(r *job.Record) { r.Result.Usage = nil }),                 // one from the cache
		ended("h", "flux", "9", on(1), func(r *job.Record) { r.Spec.Owner = "u2" }),                  // another owner's
		ended("i", "far", "2", on(2), func(r *job.Record) { r.Result.Usage.Currency = "US dollar" }), // in another currency
	} {
		add(t, c, r, i%2 == 0)
	}
	all := []spend.Dimension{spend.ByDay, spend.ByKind, spend.ByModel, spend.ByAPIKey}
	for name, test := range map[string]struct {
		q    spend.Query
		want string
	}{
		"everything": {spend.Query{GroupBy: all}, "20261122 image far : 1 jobs, 1 units, 2 US dollar, 0 unpriced; " +
			"20261121 image gpt : 1 jobs, 3 units, 1.5 pollen, 0 unpriced; 20261121 image flux key_1: 1 jobs, 1 units, 0.002 pollen, 0 unpriced; " +
			"20261121 translation  : 1 jobs, 1 units, 0 , 1 unpriced; 20261120 image flux : 1 jobs, 1 units, 0.002 pollen, 0 unpriced; " +
			"   : 2 jobs, 2 units, 2 US dollar, 1 unpriced;    : 3 jobs, 5 units, 1.504 pollen, 0 unpriced; "},
		"by day": {
			spend.Query{GroupBy: []spend.Dimension{spend.ByDay}, Until: "20261121", Since: "20261121"},
			"20261121   : 3 jobs, 5 units, 1.502 pollen, 1 unpriced;    : 3 jobs, 5 units, 1.502 pollen, 1 unpriced; ",
		},
		"of a model": {
			spend.Query{Models: []string{"flux"}, GroupBy: []spend.Dimension{spend.ByModel}},
			"  flux : 2 jobs, 2 units, 0.004 pollen, 0 unpriced;    : 2 jobs, 2 units, 0.004 pollen, 0 unpriced; ",
		},
		"of a key":  {spend.Query{APIKeys: []string{"key_1"}, Kinds: []job.Kind{job.KindImage}}, "   : 1 jobs, 1 units, 0.002 pollen, 0 unpriced;    : 1 jobs, 1 units, 0.002 pollen, 0 unpriced; "},
		"of no job": {spend.Query{Kinds: []job.Kind{job.KindAudio}}, ""},
	} {
		if got := report(t, c, test.q); got != test.want {
			t.Errorf("%s:\n%s, want\n%s", name, got, test.want)
		}
	}
	if err := c.Erase(t.Context(), "u1"); err != nil || report(t, c, spend.Query{}) != "" {
		t.Errorf("erased: %v, %s", err, report(t, c, spend.Query{}))
	}
	if rows, _, err := c.Report(t.Context(), "u2", spend.Query{Since: "20261101", Until: "20261130"}); err != nil || len(rows) != 1 {
		t.Errorf("%v, %v", rows, err)
	}
}

// TestSweep removes marks after three days, and no counters.
func TestSweep(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	c := spend.New(b)
	record := ended("j", "flux", "1")
	add(t, c, record, true)
	marks := func(days int) uint64 {
		c.SetNow(func() time.Time { return record.FinishedAt.AddDate(0, 0, days) })
		if err := c.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		return messages(t.Context(), t, b)
	}
	if marks(3) != 4 || marks(4) != 3 {
		t.Error("the mark is not kept for three days")
	}
	if got := report(t, c, spend.Query{}); got == "" {
		t.Error("the counters are gone")
	}
}

// messages returns the number of messages in the stream.
func messages(ctx context.Context, t testing.TB, b *broker.Broker) uint64 {
	t.Helper()
	stream, err := b.JetStream().Stream(ctx, broker.StreamSpend)
	if err != nil {
		t.Fatal(err)
	}
	return stream.CachedInfo().State.Msgs
}
