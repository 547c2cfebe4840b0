package app_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/app/apptest"
	"github.com/text2image-audio/text2image-audio/api/feed"
	"github.com/text2image-audio/text2image-audio/api/internal/hooks"
	"github.com/text2image-audio/text2image-audio/api/jobview"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// TestDeadlineWithoutWorkers checks that the sweeper ends a job at its deadline if no worker pulls it and no client reads it,
// and that a waiting client gets the result.
func TestDeadlineWithoutWorkers(t *testing.T) {
	t.Parallel()
	metrics := freeAddress(t)
	cfg := apptest.Config(t, t.TempDir(), "WORKER_SLOTS_IMAGE=0", "METRICS_ENABLED=on", "METRICS_ADDR="+metrics)
	cfg.SetHooks(func(h *hooks.App) { h.Feed = feed.Config{Tick: time.Hour, Reread: time.Hour} })
	i := start(t, cfg)
	i.Visit(t)
	sub := brokertest.Subscribe(t, i.Broker().Conn(), "events."+broker.EventResult+".>")
	order := fields{"kind": "image", "input": fields{"prompt": "a lighthouse", "width": 64, "height": 64}, "deadline_seconds": 1}
	unread := i.Submit(t, order)
	msg, err := sub.NextMsg(hang)
	if err != nil {
		t.Fatalf("the job does not end: %v", err)
	}
	record, err := job.DecodeRecord(msg.Data)
	if err != nil || record.Spec.ID != unread.ID || record.Error == nil || record.Error.Code != job.CodeDeadline {
		t.Fatalf("%+v, %v", record, err)
	}

	awaited := i.Submit(t, order)
	var v apptest.Job
	response := i.Do(t, http.MethodGet, jobview.Path(awaited.ID)+"?wait=60", nil)
	response.Decode(t, &v)
	if v.Status != "failed" || v.Error.Code != job.CodeDeadline {
		t.Errorf("the wait returned %s", response.Data)
	}
	// The metric is counted once the settlement is complete.
	var missing string
	for end := time.Now().Add(hang); time.Now().Before(end); {
		missing = ""
		body := i.scrape(t, metrics)
		for _, line := range []string{
			`text2image_jobs_finished_total{kind="image",outcome="failed"} 2`, `text2image_sweeper_leads 1`,
		} {
			if !strings.Contains(body, line+"\n") {
				missing = line
			}
		}
		if missing == "" {
			return
		}
	}
	t.Errorf("the metrics lack %s", missing)
}
