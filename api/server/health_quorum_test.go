package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
)

// TestHealthNamesALostQuorum stops two of three servers of a cluster: the operator reads that it has no leader, which is
// neither a full nor a failed disk, and once they are back everything goes on.
func TestHealthNamesALostQuorum(t *testing.T) {
	t.Parallel()
	c := brokertest.StartCluster(t)
	b := setup(t, withAdmin, on(t, c.Open(0)))
	submission := fields{"kind": "prompt", "input": fields{"text": "x"}}
	b.request(t, http.MethodPost, "/api/jobs", submission).expect(t, http.StatusAccepted)

	c.Stop(1)
	c.Stop(2)
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	limit := time.After(hang)
	var r report
	for {
		r = b.health(t, http.StatusServiceUnavailable)
		if _, details := r.check("nats"); details["reason"] == "no_quorum" {
			break
		}
		select {
		case <-ticker.C:
		case <-limit:
			t.Fatalf("the lost quorum is never named: %+v", r)
		}
	}
	for _, name := range []string{"kv.users", "kv.results", "nats", "store.loss", "queue"} {
		status, details := r.check(name)
		hint, _ := details["hint"].(string)
		if status != "error" || details["reason"] != "no_quorum" || !strings.Contains(hint, "quorum") || !strings.Contains(hint, "majority") {
			t.Errorf("%s: %s %v", name, status, details)
		}
	}
	b.request(t, http.MethodGet, "/readyz", nil).problem(t, http.StatusServiceUnavailable, "unavailable")
	b.request(t, http.MethodGet, "/livez", nil).expect(t, http.StatusOK)

	c.Restart(1, 2)
	for b.request(t, http.MethodGet, "/readyz", nil).StatusCode != http.StatusOK {
		select {
		case <-ticker.C:
		case <-limit:
			t.Fatal("it is never ready again")
		}
	}
	b.request(t, http.MethodPost, "/api/jobs", submission).expect(t, http.StatusAccepted)
}
