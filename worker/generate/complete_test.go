package generate_test

import (
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/processor/processortest"
)

// A redelivered job whose media are all stored or refused makes no call, and so closes no circuit.
func TestCompleteJobDoesNotCloseTheCircuit(t *testing.T) {
	t.Parallel()
	speech := job.Media{Index: 0, ContentType: "audio/mpeg"}
	for name, test := range map[string]struct {
		kind     job.Kind
		upstream string
		change   processortest.SpecOption
		stored   []job.Media
		refused  []job.Missing
	}{
		"an image": {job.KindImage, job.UpstreamImage, processortest.Images(1, 1), []job.Media{{Index: 0, ContentType: "image/png"}}, nil},
		"a set": {job.KindImage, job.UpstreamImage, processortest.Images(2, 1), []job.Media{
			{Index: 0, ContentType: "image/png"}, {Index: 1, ContentType: "image/png"},
		}, nil},
		"a set with a refusal": {
			job.KindImage, job.UpstreamImage, processortest.Images(2, 1),
			[]job.Media{{Index: 0, ContentType: "image/png"}},
			[]job.Missing{{Index: 1, Error: *job.NewError(job.CodeRejected, 400)}},
		},
		"speech": {job.KindAudio, job.UpstreamSpeech, func(*job.Spec) {}, []job.Media{speech}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := processortest.New(t)
			s := r.Submit(test.kind, test.change)
			for _, m := range test.stored {
				if _, err := r.Store.PutMedia(t.Context(), s.Owner, s.ID, m, []byte("stored before")); err != nil {
					t.Fatal(err)
				}
			}
			before := &job.Progress{ID: s.ID, Status: job.StatusRunning, Attempt: 1, Delivery: 1, Step: 1, Worker: "lost", Refused: test.refused}
			if _, err := r.Store.PutProgress(t.Context(), s.Owner, before, 0); err != nil {
				t.Fatal(err)
			}
			r.Redeliver(s, 1)
			r.OpenCircuit(test.upstream)
			u, sim := simulate(t)
			w := r.Start(u)
			record := r.WaitSettled(s)
			w.Shutdown()
			if record.Status != job.StatusSucceeded || len(record.Result.Media) != len(test.stored) || len(record.Result.Missing) != len(test.refused) {
				t.Errorf("record is %+v, result %+v", record, record.Result)
			}
			if n := len(sim.Calls("")); n != 0 {
				t.Errorf("%d calls", n)
			}
			if c := r.Circuit(test.upstream); !c.Open() {
				t.Errorf("the circuit was closed without a call: %+v", c)
			}
		})
	}
}

// The images that such a set still generates do close the circuit.
func TestIncompleteSetClosesTheCircuit(t *testing.T) {
	t.Parallel()
	r := processortest.New(t)
	s := r.Submit(job.KindImage, processortest.Images(2, 1))
	before := &job.Progress{
		ID: s.ID, Status: job.StatusRunning, Attempt: 1, Delivery: 1, Step: 1, Worker: "lost",
		Refused: []job.Missing{{Index: 1, Error: *job.NewError(job.CodeRejected, 400)}},
	}
	if _, err := r.Store.PutProgress(t.Context(), s.Owner, before, 0); err != nil {
		t.Fatal(err)
	}
	r.Redeliver(s, 1)
	r.OpenCircuit(job.UpstreamImage)
	u, sim := simulate(t)
	r.Start(u)
	if record := r.WaitSettled(s); record.Status != job.StatusSucceeded || len(record.Result.Media) != 1 || len(record.Result.Missing) != 1 {
		t.Errorf("record is %+v, result %+v", record, record.Result)
	}
	if n := len(sim.Calls("")); n != 1 {
		t.Errorf("%d calls", n)
	}
	if c := r.Circuit(job.UpstreamImage); c.Open() {
		t.Errorf("the circuit is open after a successful call: %+v", c)
	}
}
