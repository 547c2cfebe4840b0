package app_test

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/app/apptest"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
)

// quotaView is the response of GET /api/quota.
type quotaView struct {
	windows
	Text windows
}

type windows struct{ Minute, Day, Address *window }

type window struct{ Limit, Remaining int }

func (i *instance) quota(t testing.TB) quotaView {
	t.Helper()
	var v quotaView
	i.Do(t, http.MethodGet, "/api/quota", nil).Decode(t, &v)
	return v
}

// awaitRemaining waits until want images remain in the daily quota.
func (i *instance) awaitRemaining(t testing.TB, what string, want int) {
	t.Helper()
	for end := time.Now().Add(hang); ; {
		left := i.quota(t).Day.Remaining
		if left == want {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: %d left, want %d", what, left, want)
		}
	}
}

// TestGuestQuota checks the remaining daily quota after jobs that succeed, fail and are refused.
func TestGuestQuota(t *testing.T) {
	t.Parallel()
	i := start(t, apptest.Config(t, t.TempDir(), "QUOTA_GUEST_PER_DAY=9", "QUOTA_TEXT_GUEST_PER_DAY=1", "FETCH_RETRY_MAX=1"))
	images := func(prompt string, n int) fields {
		return fields{"kind": "image", "input": fields{"prompt": prompt, "width": 64, "height": 64, "n": n}}
	}
	for contains, fault := range map[string]string{"moderated": "moderated", "broken": "server_error"} {
		if err := i.Simulator().Script(simulator.Rule{Kind: simulator.KindImage, Contains: contains, Fault: fault}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		prompt  string
		n       int
		status  string
		left    int
		refused int
	}{
		{"good", 2, "succeeded", 7, 0},
		{"broken", 3, "failed", 7, 0},
		{"moderated", 3, "failed", 4, 0},
		{"too many", 4, "succeeded", 0, 0},
		{"nothing left", 1, "", 0, http.StatusPaymentRequired},
	} {
		if c.refused != 0 {
			if resp := i.Do(t, http.MethodPost, "/api/jobs", images(c.prompt, c.n)); resp.StatusCode != c.refused {
				t.Errorf("%s: status %d", c.prompt, resp.StatusCode)
			}
		} else if v := i.Wait(t, i.Submit(t, images(c.prompt, c.n)).ID); v.Status != c.status {
			t.Errorf("%s: %s", c.prompt, v.Status)
		}
		// The quota is refunded after the record is stored.
		i.awaitRemaining(t, c.prompt, c.left)
	}
	if resp := i.Do(t, http.MethodPost, "/api/translate", fields{"text": "a"}); resp.StatusCode != http.StatusOK {
		t.Errorf("the only text: status %d: %s", resp.StatusCode, resp.Data)
	}
	for path, c := range map[string]struct {
		body  fields
		total int
	}{
		"/api/generate": {fields{"text": "a", "type": "image"}, 9}, "/api/pollinations/image": {fields{"prompt": "a"}, 9},
		"/api/prompts/optimize": {fields{"text": "a"}, 1}, "/api/optimize": {fields{"text": "a"}, 1}, "/api/translate": {fields{"text": "a"}, 1},
	} {
		resp := i.Do(t, http.MethodPost, path, c.body)
		var body struct {
			Remaining, Total *int
			Error            string
		}
		resp.Decode(t, &body)
		if resp.StatusCode != http.StatusPaymentRequired || body.Error == "" || body.Remaining == nil || *body.Remaining != 0 || body.Total == nil || *body.Total != c.total {
			t.Errorf("%s: status %d: %s", path, resp.StatusCode, resp.Data)
		}
	}
}

// TestCancelBeforeStartRefundsQuota cancels a queued job twice and checks that its quota is refunded once.
func TestCancelBeforeStartRefundsQuota(t *testing.T) {
	t.Parallel()
	i := start(t, apptest.Config(t, t.TempDir(), "QUOTA_GUEST_PER_DAY=4", "WORKER_SLOTS_IMAGE=0"))
	id := i.Submit(t, fields{"kind": "image", "input": fields{"prompt": "p", "n": 4}}).ID
	i.awaitRemaining(t, "submitted", 0)
	for range 2 {
		i.Do(t, http.MethodPost, "/api/jobs/"+id+"/cancel", nil)
		i.awaitRemaining(t, "canceled", 4)
	}
}

// TestQuotaPerMinute checks the 429 response in the format of the original.
func TestQuotaPerMinute(t *testing.T) {
	t.Parallel()
	i := start(t, apptest.Config(t, t.TempDir(), "QUOTA_TEXT_GUEST_PER_MINUTE=1"))
	refused := false
	for range 10 {
		// The minute may end in between.
		resp := i.Do(t, http.MethodPost, "/api/translate", fields{"text": "a"})
		if resp.StatusCode != http.StatusTooManyRequests {
			continue
		}
		refused = true
		var body struct {
			Error      string
			RetryAfter int `json:"retry_after"`
		}
		if resp.Decode(t, &body); body.Error == "" || body.RetryAfter < 1 || body.RetryAfter > 60 {
			t.Errorf("%s", resp.Data)
		}
		i.Do(t, http.MethodPost, "/api/jobs", fields{"kind": "prompt", "input": fields{"text": "a"}})
	}
	if !refused {
		t.Error("never refused")
	}
}

// TestDefaultQuotas checks that guests have default quotas except on the simulator.
func TestDefaultQuotas(t *testing.T) {
	t.Parallel()
	if v := start(t, apptest.Config(t, t.TempDir())).quota(t); v.Minute != nil || v.Day != nil || v.Address != nil || v.Text.Minute != nil || v.Text.Day != nil || v.Text.Address != nil {
		t.Errorf("on the simulator: %+v", v)
	}
	v := start(t, apptest.Config(t, t.TempDir(), "SIMULATOR=off")).quota(t)
	for name, c := range map[string]struct {
		window *window
		limit  int
	}{
		"minute": {v.Minute, 8}, "day": {v.Day, 10}, "address": {v.Address, 300},
		"minute of texts": {v.Text.Minute, 24}, "day of texts": {v.Text.Day, 30}, "address of texts": {v.Text.Address, 900},
	} {
		if c.window == nil || c.window.Limit != c.limit {
			t.Errorf("%s on the real services: %+v", name, c.window)
		}
	}
}

// TestQuotaAcrossProcesses exceeds a quota with concurrent requests to two API processes.
func TestQuotaAcrossProcesses(t *testing.T) {
	t.Parallel()
	s := startCluster(t)
	processes := []*instance{start(t, s.api(t, s.address(), "QUOTA_TEXT_GUEST_PER_DAY=10")), start(t, s.api(t, s.address(), "QUOTA_TEXT_GUEST_PER_DAY=10"))}
	var accepted, refused atomic.Int32
	var wg sync.WaitGroup
	for n := range 60 {
		wg.Go(func() {
			resp := processes[n%2].Do(t, http.MethodPost, "/api/jobs", fields{"kind": "translation", "input": fields{"text": "a"}})
			switch resp.StatusCode {
			case http.StatusAccepted:
				accepted.Add(1)
			case http.StatusPaymentRequired:
				refused.Add(1)
			default:
				t.Errorf("status %d: %s", resp.StatusCode, resp.Data)
			}
		})
	}
	wg.Wait()
	if accepted.Load() != 10 || refused.Load() != 50 {
		t.Errorf("%d accepted and %d refused, want 10 and 50", accepted.Load(), refused.Load())
	}
}
