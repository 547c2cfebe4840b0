package app_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/app/apptest"
	"github.com/text2image-audio/text2image-audio/api/feed"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// TestDeadlineWithoutWorkers has a process end a job that no worker takes and that nobody reads; whoever waits for it is
// answered when it ends.
func TestDeadlineWithoutWorkers(t *testing.T) {
	t.Parallel()
	metrics := freeAddress(t)
	cfg := apptest.Config(t, t.TempDir(), "WORKER_SLOTS_IMAGE=0", "METRICS_ENABLED=on", "METRICS_ADDR="+metrics)
	cfg.Feed = feed.Config{Tick: time.Hour, Reread: time.Hour}
	i := start(t, cfg)
	i.Visit(t)
	sub, err := i.Broker().Conn().SubscribeSync("events." + broker.EventResult + ".>")
	if err != nil {
		t.Fatal(err)
	}
	// A drain would wait for what nobody reads.
	defer func() { _ = sub.Unsubscribe() }()
	if err := i.Broker().Conn().Flush(); err != nil {
		t.Fatal(err)
	}
	order := fields{"kind": "image", "input": fields{"prompt": "a lighthouse", "width": 64, "height": 64}, "deadline_seconds": 1}
	alone := i.Submit(t, order)
	msg, err := sub.NextMsg(hang)
	if err != nil {
		t.Fatalf("the job does not end: %v", err)
	}
	record, err := job.DecodeRecord(msg.Data)
	if err != nil || record.Spec.ID != alone.ID || record.Error == nil || record.Error.Code != job.CodeDeadline {
		t.Fatalf("%+v, %v", record, err)
	}

	awaited := i.Submit(t, order)
	var v apptest.Job
	answer := i.Do(t, http.MethodGet, job.Path(awaited.ID)+"?wait=60", nil)
	answer.Decode(t, &v)
	if v.Status != "failed" || v.Error.Code != job.CodeDeadline {
		t.Errorf("the wait ends with %s", answer.Data)
	}
	// The scrape counts what no worker could, once the rest of the settlement is done.
	var missing string
	for end := time.Now().Add(hang); time.Now().Before(end); {
		missing = ""
		body := scrape(t, i.Client, metrics)
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

// scrape returns the metrics of a process.
func scrape(t *testing.T, client *http.Client, address string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
