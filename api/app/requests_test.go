package app_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/app/apptest"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
)

// syncCounter counts the fsyncs of group commit by stream.
type syncCounter struct {
	mu    sync.Mutex
	count map[string]int
}

func (s *syncCounter) ObserveSync(stream, _ string, _ int64, _ time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count[stream]++
}

func (s *syncCounter) take() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.count
	s.count = make(map[string]int)
	return taken
}

// TestRequestsPerJob counts the messages to NATS and the fsyncs that one job with one small image costs, from its submission
// to its removal from the queue. A step that is added shows here. A job that takes a while also costs its progress, and the removal
// of that.
func TestRequestsPerJob(t *testing.T) {
	t.Parallel()
	syncs := &syncCounter{count: make(map[string]int)}
	cfg := apptest.Config(t, t.TempDir(), "NATS_SYNC=always", "QUOTA_GUEST_PER_DAY=0", "MAX_ACTIVE_JOBS_GUEST=0")
	brokertest.GroupCommit(&cfg.Broker)
	brokertest.ObserveSyncs(syncs)(&cfg.Broker)
	i := start(t, cfg)
	all := brokertest.Subscribe(t, i.Broker().Conn(), ">")
	want := []string{
		"jobs.", "$KV.RESULTS. chunk", "$KV.RESULTS. record", "$JS.ACK.",
	}
	const progress, removal = "$KV.PROGRESS.", "$JS.API.STREAM.PURGE.KV_PROGRESS"
	exact, quick, rounds := false, 0, 3
	for round := 0; round < rounds; round++ {
		syncs.take()
		resp := i.Do(t, http.MethodPost, "/api/jobs", fields{"kind": "image", "input": fields{"prompt": "a fox", "width": 64, "height": 64}})
		var j apptest.Job
		resp.Decode(t, &j)
		var got []string
		for !slices.Contains(got, "$JS.ACK.") || slices.Contains(got, progress) && !slices.Contains(got, removal) {
			m, err := all.NextMsg(hang)
			if err != nil {
				t.Fatalf("%v after %v", err, got)
			}
			if step := stepOf(m.Subject, j.ID); step != "" && (step != "jobs." || len(got) == 0) {
				got = append(got, step)
			}
		}
		exact = exact || slices.Equal(got, want)
		if slices.Contains(got, progress) {
			// The machine is slow, so that another round is needed.
			rounds = min(rounds+1, 50)
			got = slices.DeleteFunc(got, func(step string) bool { return step == progress || step == removal })
		} else {
			quick++
		}
		// The process looks at the queue from time to time, whatever is submitted.
		got = slices.DeleteFunc(got, func(step string) bool { return step == queueRead })
		if !slices.Equal(got, want) {
			t.Errorf("round %d: the job cost\n%s, want\n%s", round, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		// A queue that becomes empty continues in a new block, which is another file.
		counts := syncs.take()
		if counts[broker.StreamJobs] > 2 || counts[broker.ResultsStream] > 1 {
			t.Errorf("round %d: the job cost %v fsyncs", round, counts)
		}
	}
	if quick == 0 {
		t.Error("the progress of every job is stored")
	} else if !exact {
		t.Error("the queue is read for every job")
	}
}

// queueRead stands for the requests that read the queue or its consumers.
const queueRead = "read of the queue"

// stepOf returns which step of a job a message is, or "" for one of something else.
func stepOf(subject, id string) string {
	switch {
	case strings.HasPrefix(subject, "$JS.ACK."):
		return "$JS.ACK."
	case subject == "$JS.API.STREAM.PURGE."+broker.StreamSpend:
		return "" // The sweeper of old marks.
	case strings.HasPrefix(subject, "$JS.API.STREAM.PURGE."):
		return subject
	case strings.HasPrefix(subject, "$JS.API.DIRECT.GET.JOBS"), strings.HasPrefix(subject, "$JS.API.CONSUMER.INFO."):
		return queueRead
	case !strings.Contains(subject, id):
		return ""
	case strings.HasPrefix(subject, "events."):
		return ""
	case strings.HasPrefix(subject, "$KV.RESULTS."):
		_, rest, _ := strings.Cut(subject, id)
		return "$KV.RESULTS. " + []string{"record", "manifest", "", "chunk"}[strings.Count(rest, ".")]
	}
	for _, prefix := range []string{"jobs.", "$JS.API.DIRECT.GET.KV_RESULTS.", "$KV.PROGRESS."} {
		if strings.HasPrefix(subject, prefix) {
			return prefix
		}
	}
	return subject
}
