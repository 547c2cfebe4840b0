package processor_test

import (
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/processor/processortest"
)

// TestImageLostInAPowerFailure lets the power of the machine with NATS fail while a worker on another one makes a set. The first image
// was not on disk yet, so the next attempt makes it again, and only it.
func TestImageLostInAPowerFailure(t *testing.T) {
	t.Parallel()
	remote := brokertest.StartRemote(t, withShortWait)
	r := onBroker(t, remote.Broker)
	made := make(map[int]int)
	var s *job.Spec
	submitted := make(chan struct{})
	g := set(func(index, attempt int) *fault.Error {
		<-submitted
		made[index]++
		if index != 1 || attempt != 1 {
			return nil
		}
		remote.Restart()
		stream, err := remote.API().JetStream().Stream(t.Context(), broker.ResultsStream)
		if err == nil {
			err = stream.Purge(t.Context(), jetstream.WithPurgeSubject(broker.JobMediaSubject(s.Owner, s.ID)))
		}
		if err != nil {
			t.Error(err)
		}
		return nil
	})
	r.Start(g, withShortBeat)
	s = processortest.On(t, remote.API()).Submit(job.KindImage, processortest.Images(2, 1))
	close(submitted)
	record := r.WaitSettled(s)
	if stored, _ := indexes(record); record.Status != job.StatusSucceeded || len(stored) != 2 || g.Count(s.ID) != 2 {
		t.Fatalf("record is %+v after %d calls", record, g.Count(s.ID))
	}
	if made[0] != 2 || made[1] != 1 {
		t.Errorf("the images were made %v times", made)
	}
	for _, m := range record.Result.Media {
		if got := r.Media(s, m.Index); int64(len(got)) != m.Bytes {
			t.Errorf("image %d has %d of %d bytes", m.Index, len(got), m.Bytes)
		}
	}
}
