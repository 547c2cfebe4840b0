package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// batchEvent is an event of the stream of a batch: its name and id, and the counts or the job.
type batchEvent struct {
	name, id string
	batch    batchReply
	job      view
}

func (s *stream) batchEvent(t testing.TB) batchEvent {
	t.Helper()
	for {
		block := s.block()
		if block == "" {
			return batchEvent{}
		}
		var e batchEvent
		for line := range strings.Lines(block) {
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			switch name {
			case "event":
				e.name = value
			case "id":
				e.id = value
			case "data":
				if into := any(&e.job); e.name != "batch" {
					must(t, json.Unmarshal([]byte(value), into))
				} else {
					must(t, json.Unmarshal([]byte(value), &e.batch))
				}
			}
		}
		if e.name != "" && (e.name == "batch" || e.id != "" || e.name != "queued") { // Not a position, nor a comment.
			return e
		}
	}
}

// TestBatchEvents follows a batch of which one job ended before, one ends, one is removed without an end, and another one is foreign.
func TestBatchEvents(t *testing.T) {
	t.Parallel()
	b := setup(t, withKeepAlive(20*time.Millisecond))
	jar, owner := guest()
	ann := cookie(jar)
	line := fields{"kind": "image", "input": fields{"prompt": "a fox"}}
	posted := b.post(t, "/api/batches", fields{"jobs": []fields{line, line, line}}, ann).batch(t, http.StatusAccepted)
	path := "/api/batches/" + posted.ID
	if posted.Links["events"] != path+"/events" {
		t.Errorf("links %v", posted.Links)
	}
	ids := make([]string, 0, posted.Total)
	for _, j := range b.get(t, path, ann).batch(t, http.StatusOK).Jobs {
		ids = append(ids, j.ID)
	}
	b.endJob(t, owner, ids[2])
	b.submit(t, line, ann).expect(t, http.StatusAccepted)
	s := b.stream(t, path+"/events", ann)
	if e := s.batchEvent(t); e.name != "batch" || e.batch.Status != "running" || fmt.Sprint(e.batch.Counts) !=
		"map[canceled:0 failed:0 queued:2 removed:0 retrying:0 running:0 succeeded:1]" || e.batch.Total != 3 || e.id != "" {
		t.Fatalf("%+v", e)
	}
	if e := s.batchEvent(t); e.name != "succeeded" || e.job.ID != ids[2] || e.id != "" {
		t.Errorf("the job that had ended: %+v", e)
	}
	seen := map[string]bool{}
	for range 2 {
		e := s.batchEvent(t)
		seen[e.job.ID] = e.name == "queued"
	}
	if !seen[ids[0]] || !seen[ids[1]] {
		t.Errorf("queued: %v", seen)
	}
	b.endJob(t, owner, ids[0])
	if e := s.batchEvent(t); e.name != "succeeded" || e.job.ID != ids[0] {
		t.Errorf("the end of a job: %+v", e)
	}
	resumeAt := s.batchEvent(t)
	if resumeAt.batch.Counts["succeeded"] != 2 || resumeAt.batch.Status != "running" || resumeAt.id == "" {
		t.Errorf("the counts after an end: %+v", resumeAt)
	}
	resumed := b.stream(t, path+"/events", ann, header("Last-Event-ID", "32503680000000")) // The year 3000.
	if first, second := resumed.batchEvent(t), resumed.batchEvent(t); first.batch.Counts["succeeded"] != 2 || second.job.ID != ids[1] {
		t.Errorf("resumed with %+v and %+v", first, second)
	}
	b.dequeue(t, owner, ids[1])
	for _, s := range []*stream{s, resumed} {
		e := s.batchEvent(t)
		if e.name != "batch" || e.id != "end" || e.batch.Status != "finished" || e.batch.Counts["removed"] != 1 || e.batch.FinishedAt == "" {
			t.Errorf("the last event: %+v", e)
		}
		if rest := s.rest(); rest != "" {
			t.Errorf("after the end: %q", rest)
		}
	}
	b.get(t, path+"/events", ann, header("Last-Event-ID", "end")).expect(t, http.StatusNoContent)
	// A batch that has ended is streamed once more in whole.
	s = b.stream(t, path+"/events", ann)
	names := ""
	for e := s.batchEvent(t); e.name != ""; e = s.batchEvent(t) {
		names += e.name + e.id + " "
	}
	if names != "batch succeeded succeeded batchend " {
		t.Errorf("a finished batch: %s", names)
	}
	b.awaitStreams(t, 0)
}
