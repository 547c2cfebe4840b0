package processor_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/worker/processor/processortest"
)

func TestJobOfEachKindSucceeds(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := processortest.NewGenerator(processortest.Succeed)
	w := r.Start(g)
	for _, kind := range job.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			r := onBroker(t, r.Broker)
			s := r.Submit(kind)
			record := r.WaitSettled(s)
			if record.Status != job.StatusSucceeded || record.Attempt != 1 || record.Counts != (job.Counts{}) || record.StartedAt == nil {
				t.Errorf("record is %+v", record)
			}
			if record.Spec.Fingerprint != s.Fingerprint || record.Spec.Input == nil {
				t.Errorf("spec in the record is %+v", record.Spec)
			}
			if g.Count(s.ID) != 1 {
				t.Errorf("%d calls", g.Count(s.ID))
			}
			if r.DeadLetter(s) != nil {
				t.Error("a dead letter for a job that succeeded")
			}
			switch kind {
			case job.KindImage, job.KindAudio:
				if len(record.Result.Media) != 1 || record.Result.Media[0].Bytes == 0 || record.Result.Media[0].SHA256 == "" {
					t.Fatalf("media are %+v", record.Result.Media)
				}
				if got := r.Media(s, 0); int64(len(got)) != record.Result.Media[0].Bytes {
					t.Errorf("%d bytes stored", len(got))
				}
				if counter(t, w.Metrics.MediaBytes.WithLabelValues(string(kind))) != float64(record.Result.Media[0].Bytes) {
					t.Error("the stored bytes are not counted")
				}
			default:
				if record.Result.Text == "" || len(record.Result.Media) != 0 {
					t.Errorf("result is %+v", record.Result)
				}
			}
			if counter(t, w.Metrics.JobsFinished.WithLabelValues(string(kind), "succeeded")) != 1 {
				t.Error("the job is not counted once")
			}
		})
	}
}

// Each image of a set is published as soon as it is stored, together with the percentage.
func TestSetIsPublishedImageByImage(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	next := make(chan int)
	g := processortest.NewGenerator(func(c processortest.Call) (*job.Result, error) {
		in := c.Task.Spec.Input.(*job.ImageInput)
		for range in.Count() {
			select {
			case i := <-next:
				if err := c.Task.Store(c.Ctx, processortest.Image(in, i), in.Count()); err != nil {
					return nil, err
				}
			case <-c.Ctx.Done():
				return nil, c.Ctx.Err()
			}
		}
		return &job.Result{}, nil
	})
	r.Start(g)
	s := r.Submit(job.KindImage, processortest.Images(4, 100))
	for n, index := range []int{2, 0, 3} {
		next <- index
		p := r.WaitProgress(s, "the percentage rises", func(p *job.Progress) bool { return p.Percent != nil && *p.Percent == (n+1)*25 })
		if p.Status != job.StatusRunning || p.Delivery != 1 || p.Step != uint64(n)+2 {
			t.Errorf("progress is %+v", p)
		}
		m, err := r.Store.MediaInfo(t.Context(), s.Owner, s.ID, index)
		if err != nil || *m.Seed != 100+int64(index) {
			t.Errorf("image %d: %+v, %v", index, m, err)
		}
		if _, err := r.Store.MediaInfo(t.Context(), s.Owner, s.ID, 1); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("image 1: got %v, want store.ErrNotFound", err)
		}
	}
	next <- 1
	record := r.WaitSettled(s)
	var seeds []int64
	for i, m := range record.Result.Media {
		if m.Index != i {
			t.Errorf("medium %d has index %d", i, m.Index)
		}
		seeds = append(seeds, *m.Seed)
	}
	if !slices.Equal(seeds, []int64{100, 101, 102, 103}) || len(record.Result.Missing) != 0 {
		t.Errorf("seeds %v, missing %v", seeds, record.Result.Missing)
	}
}

// The percentage never falls, in whatever order the images of a set arrive.
func TestPercentageNeverFalls(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	events := r.spy("events.progress.>")
	r.Start(processortest.NewGenerator(func(c processortest.Call) (*job.Result, error) {
		// More images than any job has, so that they do overtake each other.
		in := c.Task.Spec.Input.(*job.ImageInput)
		return &job.Result{}, atOnce(24, func(i int) error { return c.Task.Store(c.Ctx, processortest.Image(in, i), 24) })
	}))
	var specs []*job.Spec
	for range 20 {
		specs = append(specs, r.Submit(job.KindImage, processortest.Images(4, 1)))
	}
	for _, s := range specs {
		r.WaitSettled(s)
	}
	highest := make(map[string]int)
	for _, m := range events.seen() {
		p, err := job.DecodeProgress(m.Data)
		if err != nil || p.Percent == nil {
			continue
		}
		if *p.Percent < highest[p.ID] {
			t.Fatalf("percentage fell from %d to %d", highest[p.ID], *p.Percent)
		}
		highest[p.ID] = *p.Percent
	}
	if len(highest) != len(specs) {
		t.Errorf("percentages of %d jobs seen", len(highest))
	}
}

func atOnce(n int, do func(int) error) error {
	errs := make(chan error, n)
	for i := range n {
		go func() { errs <- do(i) }()
	}
	var all error
	for range n {
		all = errors.Join(all, <-errs)
	}
	return all
}

// A redelivery reads the record from the leader, since a replica may lag behind.
func TestRedeliveryReadsFromTheLeader(t *testing.T) {
	t.Parallel()
	// The embedded server has no replicas.
	r := onBroker(t, processortest.Dial(t, brokertest.StartServer(t).ClientURL()))
	reads := r.spy("$JS.API.STREAM.MSG.GET." + broker.ResultsStream)
	s := r.Submit(job.KindPrompt)
	r.Redeliver(s, 1)
	g := processortest.NewGenerator(processortest.Succeed)
	r.Start(g)
	// The test has not read the record yet, so every read is the worker's.
	g.WaitCalls(t, 1)
	if reads.count(func(m *nats.Msg) bool {
		return string(m.Data) == `{"last_by_subj":"`+broker.RecordSubject(s.Owner, s.ID)+`"}`
	}) == 0 {
		t.Error("the record was not read from the leader")
	}
	r.WaitSettled(s)
}
