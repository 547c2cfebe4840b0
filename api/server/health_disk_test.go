package server_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
)

// TestFullDisk has the disk run full under the embedded NATS: whatever writes is answered with 503, the operator reads
// why, and once there is room everything goes on.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := ""
	disk := brokertest.Start(t, func(c *broker.Config) { dir = c.DataDir })
	b := setup(t, withBroker(t, disk))
	submission := fields{"kind": "prompt", "input": fields{"text": "x"}}
	var ids [3]struct{ ID string }
	for i := range ids {
		b.request(t, http.MethodPost, "/api/jobs", submission).expect(t, http.StatusAccepted).decode(t, &ids[i])
		b.request(t, http.MethodPost, "/api/jobs/"+ids[i].ID+"/cancel", nil).expect(t, http.StatusOK)
	}
	kept, deleted := ids[0].ID, ids[1].ID

	release := brokertest.HoldFull(t, dir)
	brokertest.FillDisk(t, dir, broker.ResultsStream)
	resp := b.request(t, http.MethodDelete, "/api/jobs/"+deleted, nil)
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("the deletion that finds the disk full: %d %s", resp.StatusCode, resp.body)
	}
	for method, path := range map[string]string{http.MethodDelete: "/api/jobs/" + kept, http.MethodPost: "/api/jobs"} {
		began := time.Now()
		resp := b.request(t, method, path, submission)
		if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
			t.Errorf("%s %s: %d %s after %s", method, path, resp.StatusCode, resp.body, time.Since(began))
		}
	}
	b.request(t, http.MethodGet, "/readyz", nil).problem(t, http.StatusServiceUnavailable, "unavailable")
	r := b.health(t, http.StatusServiceUnavailable)
	for _, name := range []string{"kv.users", "kv.results", "nats"} {
		// What keeps the disk from being tried is no lack of room.
		status, details := r.check(name)
		if reason := details["reason"]; status != "error" || (reason != "disk_full" && reason != "disk_failed") || details["hint"] == "" {
			t.Errorf("%s: %s %v", name, status, details)
		}
	}
	b.request(t, http.MethodGet, "/livez", nil).expect(t, http.StatusOK)

	release()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	limit := time.After(hang)
	for b.request(t, http.MethodGet, "/readyz", nil).StatusCode != http.StatusOK {
		select {
		case <-ticker.C:
		case <-limit:
			t.Fatal("it is never ready again")
		}
	}
	b.request(t, http.MethodGet, "/api/jobs/"+kept, nil).expect(t, http.StatusOK)
	b.request(t, http.MethodPost, "/api/jobs", submission).expect(t, http.StatusAccepted)
	b.request(t, http.MethodDelete, "/api/jobs/"+kept, nil).expect(t, http.StatusNoContent)
}
