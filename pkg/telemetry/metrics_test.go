package telemetry_test

import (
	"bytes"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestMetricsExposition pins names, labels, help and buckets: dashboards, alerts
// and queries depend on them.
func TestMetricsExposition(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics()
	m.JobsSubmitted.WithLabelValues("image", "guest").Inc()
	m.JobsFinished.WithLabelValues("image", "succeeded").Inc()
	m.QueueWait.WithLabelValues("image").Observe(0.2)
	m.RunDuration.WithLabelValues("image").Observe(299)
	m.EndToEnd.WithLabelValues("image", "succeeded").Observe(3599)
	m.Attempts.WithLabelValues("image", "first").Inc()
	m.AttemptOutcomes.WithLabelValues("image", "throttled").Inc()
	m.Redeliveries.WithLabelValues("image").Inc()
	m.SettleConflicts.WithLabelValues("image").Inc()
	m.DeadLetters.WithLabelValues("image", "upstream_unavailable").Inc()
	m.ObserveEnd("audio", "failed", "deadline_exceeded", 2*time.Hour)
	m.ObserveEnd("audio", "canceled", "", time.Second)
	m.SweeperEnded.WithLabelValues("audio").Inc()
	m.SweeperLeads.Set(1)
	m.WorkerSlots.WithLabelValues("image", "busy").Set(3)
	m.MediaBytes.WithLabelValues("image").Add(1000)
	m.QuotaRefusals.WithLabelValues("day", "guest").Inc()
	m.StreamsOpen.Inc()
	m.SlowReadersDropped.Inc()
	m.Panics.WithLabelValues("processor").Inc()
	m.ObserveUpstream("deepseek", 200, 2*time.Second)
	m.ObserveUpstream("deepseek", 0, time.Second)
	m.ObserveUpstream("deepseek", 999, time.Second)
	m.UpstreamRetryAfter.WithLabelValues("deepseek").Observe(30)
	m.ObserveHTTP("/api/jobs/:id", "GET", 200, "", 3*time.Millisecond)
	m.ObserveHTTP("/api/jobs/:id", "GET", 200, telemetry.LongWait, time.Minute)
	m.ObserveHTTP("", "PROPFIND", 404, "", time.Millisecond)
	m.ObserveWrite("JOBS", "stored", 2*time.Millisecond)
	m.ObserveWrite("JOBS", "conflict", time.Millisecond)
	m.ObserveEmail("reset", telemetry.EmailSent)
	m.SetBroker(fakeBroker{connected: true, reconnects: 2})
	samples := func() []telemetry.QueueSample {
		return []telemetry.QueueSample{
			{Kind: "image", Lane: "guest", Depth: 5, InFlight: 2, OldestAge: 1500 * time.Millisecond},
			{Kind: "image", Lane: "member"},
		}
	}
	if err := m.RegisterQueue(reads(samples())); err != nil {
		t.Fatal(err)
	}
	if err := m.RegisterDeadLetters(reads(4)); err != nil {
		t.Fatal(err)
	}
	if err := m.RegisterStore(reads(telemetry.StoreSample{
		Streams:   []telemetry.StreamSample{{Name: "DEAD", Bytes: 10, Messages: 1}, {Name: "JOBS", Bytes: 20, Messages: 2, MaxMessages: 100, MaxBytes: 1 << 20}},
		FileBytes: 30, FileLimit: 1 << 30, MemoryBytes: 5, DiskFree: 100, DiskSize: 200,
	})); err != nil {
		t.Fatal(err)
	}
	if err := m.RegisterWorkers(reads([]telemetry.WorkerSample{{Kind: "audio", Paused: true}, {Kind: "image", Workers: 2, Slots: 8}})); err != nil {
		t.Fatal(err)
	}

	got := exposition(t, m)
	const golden = "testdata/metrics.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the exposition differs from %s (go test -update rewrites it):\n%s", golden, got)
	}
}

// exposition returns the text of this project's metrics, except build_info.
func exposition(t *testing.T, m *telemetry.Metrics) string {
	t.Helper()
	families, err := m.Registry.Gather()
	if err != nil {
		t.Fatalf("gather: %v", err)
	}
	var out bytes.Buffer
	for _, family := range families {
		if !strings.HasPrefix(family.GetName(), "text2image_") || strings.HasSuffix(family.GetName(), "_build_info") {
			continue
		}
		if _, err := expfmt.MetricFamilyToText(&out, family); err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

func TestMetricsDescribeTheProcess(t *testing.T) {
	t.Parallel()
	families, err := telemetry.NewMetrics().Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, family := range families {
		seen[family.GetName()] = true
	}
	for _, name := range []string{"go_goroutines", "process_start_time_seconds", "text2image_build_info"} {
		if !seen[name] {
			t.Errorf("no %s", name)
		}
	}
}

// TestProcessIsReadOncePerSecond scrapes again when the process has taken more CPU time, before and after a second.
func TestProcessIsReadOncePerSecond(t *testing.T) {
	t.Parallel()
	cpu := func(r *prometheus.Registry) float64 {
		families, err := r.Gather()
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(families, func(f *dto.MetricFamily) bool { return f.GetName() == "process_cpu_seconds_total" })
		if i < 0 {
			t.Fatal("no process_cpu_seconds_total")
		}
		return families[i].GetMetric()[0].GetCounter().GetValue()
	}
	actual := prometheus.NewRegistry()
	actual.MustRegister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	synctest.Test(t, func(t *testing.T) {
		m := telemetry.NewMetrics()
		first := cpu(m.Registry)
		for now := first; now == first; {
			now = cpu(actual) // This takes CPU time.
		}
		if again := cpu(m.Registry); again != first {
			t.Errorf("%v after %v within a second", again, first)
		}
		time.Sleep(time.Second)
		if later := cpu(m.Registry); later <= first {
			t.Errorf("still %v after a second", later)
		}
	})
}

// TestSample checks that everything is counted and a fraction is measured.
func TestSample(t *testing.T) {
	t.Parallel()
	const requests = 4000
	for rate, between := range map[float64][2]uint64{0: {0, 0}, 0.25: {800, 1200}, 1: {requests, requests}} {
		m := telemetry.NewMetrics()
		m.Sample(rate)
		for range requests {
			m.ObserveHTTP("/", "GET", 200, "", time.Millisecond)
			m.ObserveUpstream("deepseek", 200, time.Millisecond)
		}
		families, err := m.Registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		for _, family := range families {
			switch name := family.GetName(); name {
			case "text2image_http_requests_total", "text2image_upstream_requests_total":
				seen++
				if n := family.GetMetric()[0].GetCounter().GetValue(); n != requests {
					t.Errorf("rate %g: %s counts %g", rate, name, n)
				}
			case "text2image_http_request_duration_seconds", "text2image_upstream_request_duration_seconds":
				seen++
				if n := family.GetMetric()[0].GetHistogram().GetSampleCount(); n < between[0] || n > between[1] {
					t.Errorf("rate %g: %s measures %d", rate, name, n)
				}
			}
		}
		if want := 4; rate > 0 && seen != want {
			t.Errorf("rate %g: %d families", rate, seen)
		}
	}
}
