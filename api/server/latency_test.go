package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// durations returns the sample counts of a histogram for a route by the label mode, which is "" if absent.
func (b *bundle) durations(t testing.TB, name, route string) map[string]uint64 {
	t.Helper()
	families, err := b.metrics.Registry.Gather()
	must(t, err)
	counts := map[string]uint64{}
	for _, family := range families {
		if family.GetName() != "text2image_"+name {
			continue
		}
		for _, m := range family.GetMetric() {
			labels := map[string]string{}
			for _, pair := range m.GetLabel() {
				labels[pair.GetName()] = pair.GetValue()
			}
			if labels["route"] == route {
				counts[labels["mode"]] += m.GetHistogram().GetSampleCount()
			}
		}
	}
	return counts
}

// TestWaitingIsNotLatency checks that requests that wait for a job are counted like all others but measured separately,
// since they say nothing about the latency of the API. Requests that do not wait, or are rejected before, are ordinary.
func TestWaitingIsNotLatency(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c, _ := guest()
	b.work(t, job.KindImage, succeedJob)
	resp := b.submit(t, fields{"kind": "image", "input": fields{"prompt": "a pond"}}, cookie(c), preferWait(60))
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("submit: %d %s", resp.StatusCode, resp.body)
	}
	b.submit(t, fields{"kind": "nothing"}, cookie(c), preferWait(60))
	var view struct {
		ID string `json:"id"`
	}
	resp.decode(t, &view)
	b.get(t, "/api/jobs/"+view.ID+"?wait=60", cookie(c))
	b.get(t, "/api/jobs/"+view.ID, cookie(c))

	b.work(t, job.KindTranslation, succeedJob)
	b.post(t, "/api/translate", fields{"text": "a pond"})
	b.post(t, "/api/translate", fields{"text": ""})
	b.post(t, "/api/translate", fields{"text": "a lake"}, async)

	s := b.stream(t, "/api/jobs/"+view.ID+"/events", cookie(c))
	if !strings.Contains(s.rest(), "succeeded") {
		t.Error("the stream has no final event")
	}
	for route, want := range map[string]struct {
		long     map[string]uint64
		ordinary uint64
	}{
		"/api/jobs":            {map[string]uint64{"wait": 1}, 1},
		"/api/jobs/:id":        {map[string]uint64{"wait": 1}, 1},
		"/api/translate":       {map[string]uint64{"sync": 1}, 2},
		"/api/jobs/:id/events": {map[string]uint64{"stream": 1}, 0},
	} {
		all := want.ordinary
		for mode, n := range want.long {
			eventually(t, route+" is measured as "+mode, func() bool { return b.durations(t, "http_long_request_duration_seconds", route)[mode] == n })
			all += n
		}
		eventually(t, route+" is measured as ordinary", func() bool { return b.durations(t, "http_request_duration_seconds", route)[""] == want.ordinary })
		if got := b.metric(t, "http_requests_total", route); got != float64(all) {
			t.Errorf("%s: %g of %d requests counted", route, got, all)
		}
	}
}
