package server_test

import (
	"fmt"
	"maps"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
)

// withCeiling limits guests to 5 a day, members to 100 and an address to perDay, both for media and for texts.
func withCeiling(perDay int) change {
	plan := quota.Plan{Guest: quota.Limits{PerDay: 5}, Member: quota.Limits{PerDay: 100}, AddressPerDay: perDay}
	return withPlans(quota.Plans{Media: plan, Text: plan})
}

// TestAddressQuota shares the quota of an address between its members and guests.
func TestAddressQuota(t *testing.T) {
	t.Parallel()
	b := setup(t, withCeiling(8), behindProxy)
	ann, bob := b.newMember(t, "ann@example.org"), b.newMember(t, "bob@example.org")
	const home, office = "203.0.113.7", "198.51.100.1"
	resp := b.submitImage(t, ann, fromIP(home)).expect(t, http.StatusAccepted)
	resp.expectRateLimit(t, `"day";q=100;w=86400, "address";q=8;w=86400`, `"day";r=99;t=43190, "address";r=7;t=43190`)
	for _, who := range []option{ann, ann, bob, bob, bob, bob} {
		b.submitImage(t, who, fromIP(home)).expect(t, http.StatusAccepted)
	}
	b.submitImage(t, fromIP(home)).expect(t, http.StatusAccepted)
	for name, who := range map[string]option{"ann": ann, "bob": bob, "a guest": header("X-Unused", "1")} {
		resp := b.submitImage(t, who, fromIP(home))
		resp.problem(t, http.StatusPaymentRequired, "quota_exceeded")
		resp.expectRateLimit(t, `"address";q=8;w=86400`, `"address";r=0;t=43190`)
		if resp.Header.Get("Retry-After") != "43190" {
			t.Errorf("%s: %v", name, resp.Header)
		}
	}
	v := b.quota(t, bob, fromIP(home))
	if v.Day.Remaining != 96 || v.Address == nil || v.Address.Limit != 8 || v.Address.Remaining != 0 || v.Address.ResetsIn != 43190 || v.Text.Address.Remaining != 8 {
		t.Errorf("%+v", v)
	}
	// Texts are not affected, and neither are other addresses.
	b.submit(t, goodBody, ann, fromIP(home)).expect(t, http.StatusAccepted)
	b.submitImage(t, ann, fromIP(office)).expect(t, http.StatusAccepted)
	b.submitImage(t, fromIP(office)).expect(t, http.StatusAccepted)
	if v := b.quota(t, ann, fromIP(office)); v.Day.Remaining != 96 || v.Address.Remaining != 6 || v.Text.Day.Remaining != 99 || v.Text.Address.Remaining != 8 {
		t.Errorf("%+v", v)
	}
	if n := b.metric(t, "quota_refusals_total", "address", "member"); n != 2 {
		t.Errorf("%v rejections counted", n)
	}
}

// TestMemberAddress sends forged and equivalent addresses of a member: as with guests, a /64 is one address.
func TestMemberAddress(t *testing.T) {
	t.Parallel()
	direct := setup(t, withCeiling(50))
	ann := direct.newMember(t, "ann@example.org")
	for n, forged := range []option{fromIP("203.0.113.1"), header("X-Real-Ip", "203.0.113.2"), header("Forwarded", "for=203.0.113.3")} {
		direct.submitImage(t, ann, forged).expect(t, http.StatusAccepted)
		if v := direct.quota(t, ann); v.Address.Remaining != 49-n {
			t.Errorf("without a proxy: %d left, want %d", v.Address.Remaining, 49-n)
		}
	}
	b := setup(t, withCeiling(50), behindProxy)
	ann = b.newMember(t, "ann@example.org")
	b.submitImage(t, ann, fromIP("203.0.113.1")).expect(t, http.StatusAccepted)
	b.submitImage(t, ann, fromIP("2001:db8:1:2::1")).expect(t, http.StatusAccepted)
	for address, left := range map[string]int{
		"203.0.113.1": 49, "::ffff:203.0.113.1": 49, "198.51.100.9, 203.0.113.1": 49, "203.0.113.2": 50,
		"2001:db8:1:2:ffff:ffff:ffff:ffff": 49, "2001:db8:1:2::": 49, "2001:db8:1:3::1": 50,
	} {
		if v := b.quota(t, ann, fromIP(address)); v.Address.Remaining != left || v.Day.Remaining != 98 {
			t.Errorf("%s: %d left of the address and %d of the day, want %d and 98", address, v.Address.Remaining, v.Day.Remaining, left)
		}
	}
}

// TestAddressQuotaAcrossProcesses sends a thousand concurrent submissions of twenty accounts to two processes.
func TestAddressQuotaAcrossProcesses(t *testing.T) {
	t.Parallel()
	const accounts, ceiling = 20, 60
	unlimited := func(cfg *server.Config, _ *server.Deps) { cfg.MaxSignups, cfg.MaxActiveMember = 0, 0 }
	b := setup(t, withCeiling(ceiling), behindProxy, unlimited)
	second := b.secondProcess(t, withCeiling(ceiling))
	var tokens []option
	for n := range accounts {
		tokens = append(tokens, b.newMember(t, fmt.Sprintf("u%d@example.org", n)))
	}
	got := countStatuses(1000, func(n int) *reply {
		// Each account uses one process, as a browser's connection does.
		who, process := n%accounts, b
		if who%2 == 0 {
			process = second
		}
		return process.submitImage(t, tokens[who], fromIP(fmt.Sprintf("2001:db8::%x", n)))
	})
	if want := map[int]int{http.StatusAccepted: ceiling, http.StatusPaymentRequired: 1000 - ceiling}; !maps.Equal(got, want) {
		t.Errorf("statuses %v, want %v", got, want)
	}
	counted := 0
	for _, token := range tokens {
		v := b.quota(t, token, fromIP("2001:db8::1"))
		if counted += v.Day.Limit - v.Day.Remaining; v.Address.Remaining != 0 {
			t.Errorf("%d left of the address", v.Address.Remaining)
		}
	}
	if counted != ceiling {
		t.Errorf("%d counted for the members, want %d", counted, ceiling)
	}
}

// TestAddressQuotaIgnoresReplays sends replays, which are not charged and are accepted even when the quota is exhausted.
func TestAddressQuotaIgnoresReplays(t *testing.T) {
	t.Parallel()
	b := setup(t, withCeiling(2), behindProxy)
	ann := b.newMember(t, "ann@example.org")
	b.submitWithKey(t, "one", imageBody, ann).expect(t, http.StatusAccepted)
	for range 3 {
		b.submitWithKey(t, "one", imageBody, ann).expect(t, http.StatusAccepted)
	}
	b.submitWithKey(t, "two", imageBody, ann).expect(t, http.StatusAccepted)
	b.submitWithKey(t, "three", imageBody, ann).problem(t, http.StatusPaymentRequired, "quota_exceeded")
	if resp := b.submitWithKey(t, "two", imageBody, ann).expect(t, http.StatusAccepted); !resp.replayed() {
		t.Errorf("%v", resp.Header)
	}
	if v := b.quota(t, ann); v.Day.Remaining != 98 || v.Address.Remaining != 0 {
		t.Errorf("%+v", v)
	}
}

// TestAddressQuotaRefund cancels a job before it starts, several times: the member and the address are refunded once.
func TestAddressQuotaRefund(t *testing.T) {
	t.Parallel()
	b := setup(t, withCeiling(9), func(_ *server.Config, deps *server.Deps) {
		// Only usage of the current day is refunded.
		deps.Now = time.Now
		plan := quota.Plan{Member: quota.Limits{PerDay: 20}, AddressPerDay: 9}
		deps.Quota = quota.New(deps.Broker, quota.Plans{Media: plan}, time.Now)
	})
	ann := b.newMember(t, "ann@example.org")
	b.submitImage(t, ann).expect(t, http.StatusAccepted)
	v := b.submit(t, fields{"kind": "image", "input": fields{"prompt": "p", "n": 4}}, ann).job(t, http.StatusAccepted)
	for range 3 {
		b.cancel(t, v.ID, ann)
		if left := b.quota(t, ann); left.Day.Remaining != 19 || left.Address.Remaining != 8 {
			t.Errorf("%d left of the day and %d of the address, want 19 and 8", left.Day.Remaining, left.Address.Remaining)
		}
	}
}

// TestOriginalPageFitsDefaultQuotas has a guest with the default quotas optimize a prompt before every image.
func TestOriginalPageFitsDefaultQuotas(t *testing.T) {
	t.Parallel()
	var cfg quota.Config
	must(t, env.Load(nil, &cfg))
	var minutes atomic.Int64
	b := setup(t, func(c *server.Config, deps *server.Deps) {
		deps.Now = func() time.Time { return midday().Add(time.Duration(minutes.Load()) * time.Minute) }
		deps.Quota = quota.New(deps.Broker, cfg.Plans(false), deps.Now)
		c.MaxActiveGuest = 0
	})
	call := func(path string, want int) {
		t.Helper()
		b.post(t, path, originalBody(path), async).expect(t, want)
	}
	for n := range 10 {
		if n == 5 {
			minutes.Add(1)
		}
		call("/api/prompts/optimize", http.StatusAccepted)
		call("/api/pollinations/image", http.StatusAccepted)
	}
	call("/api/pollinations/image", http.StatusPaymentRequired)
	v := b.quota(t)
	if v.Day.Remaining != 0 || v.Address.Remaining != 290 || v.Text.Minute.Limit != 24 || v.Text.Day.Remaining != 20 || v.Text.Address.Remaining != 890 {
		t.Errorf("%+v %+v %+v %+v %+v", v.Day, v.Address, v.Text.Minute, v.Text.Day, v.Text.Address)
	}
	// Texts are still accepted, up to their own limits.
	for range 19 {
		call("/api/optimize", http.StatusAccepted)
	}
	call("/api/translate", http.StatusTooManyRequests)
	minutes.Add(1)
	call("/api/translate", http.StatusAccepted)
	call("/api/translate", http.StatusPaymentRequired)
	if v := b.quota(t); v.Text.Day.Remaining != 0 || v.Address.Remaining != 290 {
		t.Errorf("%+v", v)
	}
	if n := b.metric(t, "quota_refusals_total", "text-day", string(job.LaneGuest)); n != 1 {
		t.Errorf("%v rejections counted", n)
	}
}
