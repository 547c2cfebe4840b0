package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
)

// TestHealthShowsLostQuorum stops two of three servers of a cluster: the health report names the lost quorum, and not a
// full or failed disk. Everything works again once the servers are back.
func TestHealthShowsLostQuorum(t *testing.T) {
	t.Parallel()
	c := brokertest.StartCluster(t)
	b := setup(t, withAdmin, withBroker(t, c.Open(0)))
	submission := fields{"kind": "prompt", "input": fields{"text": "x"}}
	b.submit(t, submission).expect(t, http.StatusAccepted)

	c.Stop(1)
	c.Stop(2)
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	limit := time.After(hang)
	// Each stream notices the lost quorum at its own pace.
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
		if named == len(checks) && b.get(t, "/readyz").StatusCode == http.StatusServiceUnavailable {
			break
		}
		select {
		case <-ticker.C:
		case <-limit:
			t.Fatalf("not every check names the lost quorum: %+v", r)
		}
	}
	b.submit(t, submission).problem(t, http.StatusServiceUnavailable, "unavailable")
	b.get(t, "/livez").expect(t, http.StatusOK)

	c.Restart(1, 2)
	eventually(t, "the server is ready again", func() bool { return b.get(t, "/readyz").StatusCode == http.StatusOK })
	b.submit(t, submission).expect(t, http.StatusAccepted)
}
