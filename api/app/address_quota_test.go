package app_test

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/app/apptest"
)

// TestAddressQuota submits concurrently with two accounts from one IP address. Together they get the quota of the address;
// other addresses are not affected.
func TestAddressQuota(t *testing.T) {
	t.Parallel()
	const accounts, limit, submissions = 2, 12, 60
	i := start(t, apptest.Config(t, t.TempDir(), "QUOTA_ADDRESS_PER_DAY=12", "QUOTA_MEMBER_PER_MINUTE=0", "SIGNUPS_PER_HOUR=0",
		"MAX_ACTIVE_JOBS_MEMBER=0", "WORKER_SLOTS_IMAGE=0", "TRUSTED_PROXIES=127.0.0.1"))
	// 2001:db8:1:2::/64 counts as one address.
	at := func(n int) string { return fmt.Sprintf("X-Forwarded-For: 2001:db8:1:2::%x", n+1) }
	body := fields{"kind": "image", "input": fields{"prompt": "p", "width": 64, "height": 64}}
	var tokens []string
	// A busy machine may return 503; retry with another account.
	for n := 0; len(tokens) < accounts; n++ {
		resp := i.Do(t, http.MethodPost, "/api/auth/register", fields{
			"username": "Ann", "email": fmt.Sprintf("u%d@example.org", n), "password": "a long password",
		})
		var signed struct{ Token string }
		if resp.Decode(t, &signed); resp.StatusCode == http.StatusCreated {
			tokens = append(tokens, "Authorization: Bearer "+signed.Token)
		} else if resp.StatusCode != http.StatusServiceUnavailable {
			t.Fatalf("register: status %d: %s", resp.StatusCode, resp.Data)
		}
	}
	submit := func(headers ...string) apptest.Response {
		for {
			// A submission with status 503 is not counted.
			if resp := i.Do(t, http.MethodPost, "/api/jobs", body, headers...); resp.StatusCode != http.StatusServiceUnavailable {
				return resp
			}
		}
	}
	var accepted, refused atomic.Int32
	var wg sync.WaitGroup
	slots := make(chan struct{}, 8)
	for n := range submissions {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			resp := submit(tokens[n%accounts], at(n))
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
	if accepted.Load() != limit || refused.Load() != submissions-limit {
		t.Errorf("%d accepted and %d refused, want %d and %d", accepted.Load(), refused.Load(), limit, submissions-limit)
	}
	// A guest at the address is refused too; a member at another address is not.
	if resp := submit(at(1)); resp.StatusCode != http.StatusPaymentRequired {
		t.Errorf("a guest at the address: status %d", resp.StatusCode)
	}
	for _, elsewhere := range []string{"2001:db8:1:3::1", "203.0.113.7"} {
		if resp := submit(tokens[0], "X-Forwarded-For: "+elsewhere); resp.StatusCode != http.StatusAccepted {
			t.Errorf("a member at %s: status %d", elsewhere, resp.StatusCode)
		}
	}
}

// TestPromptsDoNotCountAsImages optimizes a prompt before every image, as the original page does. A guest gets ten images a
// day nevertheless, not five.
func TestPromptsDoNotCountAsImages(t *testing.T) {
	t.Parallel()
	i := start(t, apptest.Config(t, t.TempDir(), "QUOTA_GUEST_PER_DAY=10"))
	for n := range 12 {
		resp := i.Do(t, http.MethodPost, "/api/prompts/optimize", fields{"text": "a pond"})
		var optimized struct {
			Text string `json:"optimized_text"`
		}
		if resp.Decode(t, &optimized); resp.StatusCode != http.StatusOK || optimized.Text == "" {
			t.Fatalf("prompt %d: status %d: %s", n, resp.StatusCode, resp.Data)
		}
		want := http.StatusOK
		if n >= 10 {
			want = http.StatusPaymentRequired
		}
		resp = i.Do(t, http.MethodPost, "/api/pollinations/image", fields{"prompt": optimized.Text, "width": 64, "height": 64})
		if resp.StatusCode != want {
			t.Errorf("image %d: status %d, want %d", n, resp.StatusCode, want)
		}
	}
}
