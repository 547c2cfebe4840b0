package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
)

// TestHealthShowsLostQuorum stops two of three servers of a cluster: the operator reads that it has no leader, which is
// neither a full nor a failed disk, and once they are back everything goes on.
func TestHealthShowsLostQuorum(t *testing.T) {
	t.Parallel()
	c := brokertest.StartCluster(t)
	b := setup(t, withAdmin, withBroker(t, c.Open(0)))
	submission := fields{"kind": "prompt", "input": fields{"text": "x"}}
	b.request(t, http.MethodPost, "/api/jobs", submission).expect(t, http.StatusAccepted)

	c.Stop(1)
	c.Stop(2)
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	limit := time.After(hang)
	// Each stream finds out in its own time that its leader has nobody to lead.
	checks := []string{"kv.users", "kv.results", "nats", "store.loss", "queue"}
	for {
		r := b.health(t, http.StatusServiceUnavailable)
		named := 0
		for _, name := range checks {
			status, details := r.check(name)
			hint, _ := details["hint"].(string)
			if details["reason"] != "no_quorum" {
				continue
			}
			named++
			if status != "error" || !strings.Contains(hint, "quorum") || !strings.Contains(hint, "majority") {
				t.Errorf("%s: %s %v", name, status, details)
			}
		}
		if named == len(checks) && b.request(t, http.MethodGet, "/readyz", nil).StatusCode == http.StatusServiceUnavailable {
			break
		}
		select {
		case <-ticker.C:
		case <-limit:
			t.Fatalf("the lost quorum is never named by all: %+v", r)
		}
	}
	b.request(t, http.MethodPost, "/api/jobs", submission).problem(t, http.StatusServiceUnavailable, "unavailable")
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
