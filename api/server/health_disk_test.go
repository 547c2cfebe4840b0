package server_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
)

// TestFullDisk fills the disk of the embedded NATS: writes return 503, the health report names the reason, and writes
// succeed again once there is space.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := ""
	disk := brokertest.Start(t, func(c *broker.Config) { dir = c.DataDir })
	b := setup(t, withBroker(t, disk))
	submission := fields{"kind": "prompt", "input": fields{"text": "x"}}
	var ids [3]struct{ ID string }
	for i := range ids {
		b.submit(t, submission).expect(t, http.StatusAccepted).decode(t, &ids[i])
		b.cancel(t, ids[i].ID).expect(t, http.StatusOK)
	}
	kept, deleted := ids[0].ID, ids[1].ID

	release := brokertest.HoldFull(t, dir)
	brokertest.FillDisk(t, dir, broker.ResultsStream)
	resp := b.delete(t, "/api/jobs/"+deleted)
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("deletion on a full disk: %d %s", resp.StatusCode, resp.body)
	}
	for method, path := range map[string]string{http.MethodDelete: "/api/jobs/" + kept, http.MethodPost: "/api/jobs"} {
		began := time.Now()
		resp := b.request(t, method, path, submission)
		if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
			t.Errorf("%s %s: %d %s after %s", method, path, resp.StatusCode, resp.body, time.Since(began))
		}
	}
	b.get(t, "/readyz").problem(t, http.StatusServiceUnavailable, "unavailable")
	r := b.health(t, http.StatusServiceUnavailable)
	for _, name := range []string{"kv.users", "kv.results", "nats"} {
		// disk_failed is reported when the probe of the disk fails for another reason than missing space.
		status, details := r.check(name)
		if reason := details["reason"]; status != "error" || (reason != "disk_full" && reason != "disk_failed") || details["hint"] == "" {
			t.Errorf("%s: %s %v", name, status, details)
		}
	}
	b.get(t, "/livez").expect(t, http.StatusOK)

	release()
	eventually(t, "the server is ready again", func() bool { return b.get(t, "/readyz").StatusCode == http.StatusOK })
	b.get(t, "/api/jobs/"+kept).expect(t, http.StatusOK)
	b.submit(t, submission).expect(t, http.StatusAccepted)
	b.delete(t, "/api/jobs/"+kept).expect(t, http.StatusNoContent)
}
