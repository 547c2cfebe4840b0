package app_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/app"
	"github.com/text2image-audio/text2image-audio/api/app/apptest"
	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/mail"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// TestMetricsExistFromStart checks that the series that alerts use exist before the first job or failure.
func TestMetricsExistFromStart(t *testing.T) {
	t.Parallel()
	address := freeAddress(t)
	i := start(t, apptest.Config(t, t.TempDir(), "METRICS_ENABLED=on", "METRICS_ADDR="+address, "MAX_QUEUED_JOBS=500"))
	var got string
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(hang); ; <-tick.C {
		got = i.scrape(t, address)
		if strings.Contains(got, "text2image_sweeper_leads 1\n") && strings.Contains(got, `text2image_workers_registered{kind="translation"} 1`+"\n") {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the process does not lead, or its worker is not registered:\n%s", got)
		}
	}
	for _, line := range []string{
		"nats_connected 1", "nats_reconnects_total 0", "ready 1",
		`worker_slots_registered{kind="image"} `, `kind_paused{kind="image"} 0`,
		`store_stream_max_messages{stream="JOBS"} 500`, `store_stream_messages{stream="JOBS"} 0`,
		`store_writes_total{result="stored",stream="KV_CONTROL"}`, `store_write_duration_seconds_count{stream="KV_CONTROL"}`,
		`store_used_bytes{storage="file"}`, `store_max_bytes{storage="file"}`, "store_disk_free_bytes", "store_disk_size_bytes",
		`http_requests_total{method="POST",route="/api/jobs",status="503"} 0`,
		`jobs_finished_total{kind="audio",outcome="failed"} 0`, `job_end_to_end_seconds_count{kind="audio",outcome="succeeded"} 0`,
		`emails_total{result="failed",template="reset"} 0`, `quota_refusals_total{lane="guest",policy="text-day"} 0`,
		`upstream_trips_total{reason="upstream_misconfigured",upstream="language-model"} 0`,
		`upstream_circuit{state="open",upstream="language-model"} 0`, `upstream_retry_after_seconds_count{upstream="language-model"} 0`,
		`panics_total{where="http"} 0`, `panics_total{where="processor"} 0`, `job_attempts_total{kind="image",reason="crash"} 0`,
	} {
		if !strings.Contains(got, "\ntext2image_"+line) {
			t.Errorf("%s is missing", line)
		}
	}
	if strings.Contains(got, `text2image_scrape_errors_total{source="store"} 1`) {
		t.Error("the store could not be read")
	}
}

func TestWorkerSamples(t *testing.T) {
	t.Parallel()
	samples := app.WorkerSamples([]control.Worker{
		{ID: "a", Slots: map[job.Kind]int{job.KindImage: 4, job.KindAudio: 2}},
		{ID: "b", Slots: map[job.Kind]int{job.KindImage: 4, job.KindAudio: 0}},
	}, control.View{})
	want := map[string]telemetry.WorkerSample{
		"image": {Kind: "image", Workers: 2, Slots: 8}, "audio": {Kind: "audio", Workers: 1, Slots: 2},
		"prompt": {Kind: "prompt"}, "translation": {Kind: "translation"},
	}
	if len(samples) != len(want) {
		t.Errorf("%d kinds, want %d", len(samples), len(want))
	}
	for _, s := range samples {
		if s != want[s.Kind] {
			t.Errorf("got %+v, want %+v", s, want[s.Kind])
		}
	}
}

func TestEmailResult(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		telemetry.EmailSent:     nil,
		telemetry.EmailFailed:   &mail.Error{Step: "connect"},
		telemetry.EmailRejected: &mail.Error{Step: "sending SMTP RCPT TO command", Code: 550},
	} {
		if got := app.EmailResult(err); got != want {
			t.Errorf("%v counts as %s, want %s", err, got, want)
		}
	}
	if got := app.EmailResult(errors.New("no template")); got != telemetry.EmailFailed {
		t.Errorf("another error counts as %s", got)
	}
}
