package server_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
)

// midday is a fixed time ten seconds into a minute.
func midday() time.Time { return time.Date(2026, time.March, 4, 12, 0, 10, 0, time.UTC) }

// planOf limits guests, and members to ten times as much.
func planOf(perMinute, perDay int) quota.Plan {
	return quota.Plan{
		Guest: quota.Limits{PerMinute: perMinute, PerDay: perDay}, Member: quota.Limits{PerMinute: 10 * perMinute, PerDay: 10 * perDay},
	}
}

// withQuota limits images and audio and sets the clock to midday.
func withQuota(perMinute, perDay int) change {
	return withPlans(quota.Plans{Media: planOf(perMinute, perDay)})
}

// withTextQuota limits texts and sets the clock to midday.
func withTextQuota(perMinute, perDay int) change {
	return withPlans(quota.Plans{Text: planOf(perMinute, perDay)})
}

// withAddressQuota limits the daily usage of an address.
func withAddressQuota(media, text int) change {
	return withPlans(quota.Plans{Media: quota.Plan{AddressPerDay: media}, Text: quota.Plan{AddressPerDay: text}})
}

func withPlans(plans quota.Plans) change {
	return func(cfg *server.Config, deps *server.Deps) {
		deps.Now = midday
		deps.Quota = quota.New(deps.Broker, plans, deps.Now)
		cfg.MaxActiveGuest = 0
	}
}

// windowView is a window of GET /api/quota.
type windowView struct {
	Limit, Remaining int
	ResetsAt         string `json:"resets_at"`
	ResetsIn         int    `json:"resets_in"`
}

// windowsView holds the windows of a group.
type windowsView struct{ Minute, Day, Address *windowView }

// quotaView is the response of GET /api/quota.
type quotaView struct {
	Lane string
	windowsView
	Text windowsView
}

func (b *bundle) quota(t testing.TB, options ...option) quotaView {
	t.Helper()
	var v quotaView
	b.get(t, "/api/quota", options...).expect(t, http.StatusOK).decode(t, &v)
	return v
}

// expectLeft checks the remaining daily quota of a caller.
func (b *bundle) expectLeft(t testing.TB, what string, want int, options ...option) {
	t.Helper()
	if v := b.quota(t, options...); v.Day.Remaining != want {
		t.Errorf("%s: %d left, want %d", what, v.Day.Remaining, want)
	}
}

// expectRateLimit checks the RateLimit headers.
func (r *reply) expectRateLimit(t testing.TB, policy, left string) {
	t.Helper()
	if r.Header.Get("RateLimit-Policy") != policy || r.Header.Get("RateLimit") != left {
		t.Errorf("RateLimit-Policy %s, RateLimit %s", r.Header.Get("RateLimit-Policy"), r.Header.Get("RateLimit"))
	}
}

func TestQuota(t *testing.T) {
	t.Parallel()
	b := setup(t, withQuota(3, 10))
	resp := b.submitImage(t).expect(t, http.StatusAccepted)
	resp.expectRateLimit(t, `"minute";q=3;w=60, "day";q=10;w=86400`, `"minute";r=2;t=50, "day";r=9;t=43190`)
	v := b.quota(t)
	if v.Lane != "guest" || v.Minute.Limit != 3 || v.Minute.Remaining != 2 || v.Minute.ResetsIn != 50 || v.Minute.ResetsAt != "2026-03-04T12:01:00.000Z" ||
		v.Day.Limit != 10 || v.Day.Remaining != 9 || v.Day.ResetsIn != 43190 || v.Day.ResetsAt != "2026-03-05T00:00:00.000Z" {
		t.Errorf("%+v", v)
	}
	// Reading the quota is free.
	resp = b.get(t, "/api/quota")
	resp.expectRateLimit(t, `"minute";q=3;w=60, "day";q=10;w=86400`, `"minute";r=2;t=50, "day";r=9;t=43190`)
	if resp.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", resp.Header)
	}
	b.submitImage(t).expect(t, http.StatusAccepted)
	b.submitImage(t).expect(t, http.StatusAccepted)
	for range 2 {
		resp = b.submitImage(t)
		resp.problem(t, http.StatusTooManyRequests, "rate_limited")
		resp.expectRateLimit(t, `"minute";q=3;w=60`, `"minute";r=0;t=50`)
		if resp.Header.Get("Retry-After") != "50" || resp.Header.Get("Location") != "" {
			t.Errorf("%v", resp.Header)
		}
	}
	b.expectLeft(t, "after rejections", 7)
	if n := b.metric(t, "quota_refusals_total", "minute", "guest"); n != 2 {
		t.Errorf("%v rejections counted", n)
	}
}

// TestQuotaOfMembers counts each member separately, whatever the address, and apart from guests at the same address.
func TestQuotaOfMembers(t *testing.T) {
	t.Parallel()
	b := setup(t, withQuota(0, 1), behindProxy)
	ann, bob := b.newMember(t, "ann@example.org"), b.newMember(t, "bob@example.org")
	c, _ := guest()
	for n := range 10 {
		b.submitImage(t, ann, cookie(c), fromIP(fmt.Sprint("203.0.113.", n))).expect(t, http.StatusAccepted)
	}
	resp := b.submitImage(t, ann)
	resp.problem(t, http.StatusPaymentRequired, "quota_exceeded")
	resp.expectRateLimit(t, `"day";q=10;w=86400`, `"day";r=0;t=43190`)
	if v := b.quota(t, ann); v.Lane != "member" || v.Day.Limit != 10 || v.Day.Remaining != 0 {
		t.Errorf("%+v", v)
	}
	b.expectLeft(t, "another member", 10, bob)
	b.expectLeft(t, "a guest of the same address", 1)
	b.submitImage(t, cookie(c)).expect(t, http.StatusAccepted)
	b.submitImage(t, bob).expect(t, http.StatusAccepted)
	b.submitImage(t).problem(t, http.StatusPaymentRequired, "quota_exceeded")
	// A caller with an invalid token is not a guest.
	b.get(t, "/api/quota", bearer("nonsense")).problem(t, http.StatusUnauthorized, "invalid_token")
	if n := b.metric(t, "quota_refusals_total", "day", "member"); n != 1 {
		t.Errorf("%v rejections counted", n)
	}
}

// TestQuotaWithoutLimit checks unlimited guests, as with the simulator.
func TestQuotaWithoutLimit(t *testing.T) {
	t.Parallel()
	b := setup(t, withQuota(0, 0))
	b.submitImage(t).expect(t, http.StatusAccepted).expectRateLimit(t, "", "")
	const none = `"minute":null,"day":null,"address":null`
	if resp := b.get(t, "/api/quota"); string(resp.body) != `{"lane":"guest",`+none+`,"text":{`+none+"}}\n" {
		t.Errorf("%s", resp.body)
	}
}

// TestEveryRouteIsCharged submits on every route that creates jobs: images and audio count as media, the rest as texts.
func TestEveryRouteIsCharged(t *testing.T) {
	t.Parallel()
	b := setup(t, withPlans(quota.Plans{Media: planOf(0, 100), Text: planOf(0, 50)}))
	left := map[quota.Group]int{quota.GroupMedia: 100, quota.GroupText: 50}
	spec := b.storeFailedJob(t, job.OwnerAnonymous, "before", job.CodeTimeout)
	if quota.GroupOf(spec.Kind) != quota.GroupMedia {
		t.Fatal(spec.Kind)
	}
	charged := func(what string, group quota.Group, units int, resp *reply) {
		t.Helper()
		resp.expect(t, http.StatusAccepted)
		left[group] -= units
		if v := b.quota(t); v.Day.Remaining != left[quota.GroupMedia] || v.Text.Day.Remaining != left[quota.GroupText] {
			t.Errorf("%s: %d and %d left, want %v", what, v.Day.Remaining, v.Text.Day.Remaining, left)
		}
		name, limit := "day", 100
		if group == quota.GroupText {
			name, limit = "text-day", 50
		}
		resp.expectRateLimit(t, fmt.Sprintf(`"%s";q=%d;w=86400`, name, limit), fmt.Sprintf(`"%s";r=%d;t=43190`, name, left[group]))
	}
	for _, n := range []int{1, 2, 4} {
		charged(fmt.Sprint(n, " images"), quota.GroupMedia, n, b.submit(t, fields{"kind": "image", "input": fields{"prompt": "p", "n": n, "optimize": true}}))
	}
	for kind, group := range map[string]quota.Group{"audio": quota.GroupMedia, "prompt": quota.GroupText, "translation": quota.GroupText} {
		charged(kind, group, 1, b.submit(t, fields{"kind": kind, "input": fields{"text": "t"}}))
	}
	charged("retry", quota.GroupMedia, 1, b.retry(t, "before", nil))
	for _, path := range originalRoutes {
		group := quota.GroupText
		if path == "/api/generate" || path == "/api/pollinations/image" {
			group = quota.GroupMedia
		}
		charged(path, group, 1, b.post(t, path, originalBody(path), async))
	}
	charged("speech", quota.GroupMedia, 1, b.post(t, "/api/generate", fields{"text": "t", "type": "audio"}, async))
}

// TestRejectedRequestsAreNotCharged sends rejected and repeated requests.
func TestRejectedRequestsAreNotCharged(t *testing.T) {
	t.Parallel()
	b := setup(t, withQuota(0, 6), func(cfg *server.Config, _ *server.Deps) { cfg.MaxActiveGuest = 2 })
	c, _ := guest()
	same := func(what string, resp *reply, status int) {
		t.Helper()
		resp.expect(t, status).expectRateLimit(t, "", "")
		b.expectLeft(t, what, 4)
	}
	v := b.submitWithKey(t, "one", imageBody, cookie(c)).job(t, http.StatusAccepted)
	b.submitWithKey(t, "two", imageBody, cookie(c)).expect(t, http.StatusAccepted)
	for range 3 {
		same("replay", b.submitWithKey(t, "one", imageBody, cookie(c)), http.StatusAccepted)
	}
	same("key reused", b.submitWithKey(t, "one", `{"kind":"image","input":{"prompt":"other"}}`, cookie(c)), http.StatusUnprocessableEntity)
	same("too many active", b.submitImage(t, cookie(c)), http.StatusTooManyRequests)
	same("invalid", b.submit(t, `{"kind":"image","input":{}}`), http.StatusBadRequest)
	same("unknown", b.retry(t, "nothing", nil), http.StatusNotFound)
	same("read", b.get(t, "/api/jobs/"+v.ID, cookie(c)), http.StatusOK)
	same("cancel", b.cancel(t, v.ID, cookie(c)), http.StatusOK)
	// A retry with a key is charged once.
	again := func() *reply { return b.retry(t, v.ID, nil, cookie(c), idempotencyKey("again")) }
	again().expect(t, http.StatusAccepted)
	b.expectLeft(t, "retry", 3)
	again().expect(t, http.StatusAccepted)
	b.expectLeft(t, "repeated retry", 3)
}

// TestReplaysWithExhaustedQuota repeats submissions when the quota is exhausted.
func TestReplaysWithExhaustedQuota(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]change{"minute": withQuota(2, 0), "day": withQuota(0, 2)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, limit)
			for _, key := range []string{"one", "two"} {
				b.submitWithKey(t, key, imageBody).expect(t, http.StatusAccepted)
			}
			for _, key := range []string{"one", "two"} {
				if resp := b.submitWithKey(t, key, imageBody).expect(t, http.StatusAccepted); !resp.replayed() {
					t.Errorf("%v", resp.Header)
				}
			}
			b.submitWithKey(t, "one", `{"kind":"image","input":{"prompt":"other"}}`).problem(t, http.StatusUnprocessableEntity, "idempotency_key_reused")
			if resp := b.submitWithKey(t, "three", imageBody); resp.StatusCode < 402 {
				t.Errorf("status %d", resp.StatusCode)
			}
		})
	}
}

// TestGuestsAreCountedByAddress sends forged and equivalent addresses.
func TestGuestsAreCountedByAddress(t *testing.T) {
	t.Parallel()
	direct := setup(t, withQuota(0, 9))
	c, _ := guest()
	for n, options := range [][]option{
		{fromIP("203.0.113.1")}, {header("X-Real-Ip", "203.0.113.2")}, {header("Forwarded", "for=203.0.113.3")}, {cookie(c)}, {},
	} {
		direct.submitImage(t, options...).expect(t, http.StatusAccepted)
		direct.expectLeft(t, "without a proxy", 8-n)
	}
	b := setup(t, withQuota(0, 9), func(cfg *server.Config, _ *server.Deps) { cfg.TrustedProxies = []string{"127.0.0.1", "10.0.0.0/8"} })
	forwarded := func(lines ...string) option {
		return func(r *http.Request) { r.Header["X-Forwarded-For"] = lines }
	}
	b.submitImage(t, forwarded("203.0.113.1")).expect(t, http.StatusAccepted)
	b.submitImage(t, forwarded("2001:db8:1:2::1")).expect(t, http.StatusAccepted)
	for name, tc := range map[string]struct {
		option option
		left   int
	}{
		"the same address":              {forwarded("203.0.113.1"), 8},
		"the same by two proxies":       {forwarded("203.0.113.1, 10.1.2.3"), 8},
		"after a forged address":        {forwarded("198.51.100.1, 203.0.113.1"), 8},
		"after a forged line":           {forwarded("198.51.100.1", "203.0.113.1"), 8},
		"as mapped IPv6":                {forwarded("::ffff:203.0.113.1"), 8},
		"another address":               {forwarded("203.0.113.2"), 9},
		"same /64, IPv6":                {forwarded("2001:db8:1:2:ffff::9"), 8},
		"another /64":                   {forwarded("2001:db8:1:3::1"), 9},
		"the proxy itself":              {forwarded(), 9},
		"not an address":                {forwarded("203.0.113.1, nonsense"), 9},
		"an untrusted proxy in between": {forwarded("203.0.113.1, 192.0.2.1"), 9},
	} {
		b.expectLeft(t, name, tc.left, tc.option)
	}
}

// TestQuotaStoreUnavailable makes the counters unwritable: submissions that cannot be counted are rejected.
func TestQuotaStoreUnavailable(t *testing.T) {
	t.Parallel()
	b := setup(t, withPlans(quota.Plans{Media: planOf(9, 9), Text: planOf(9, 9)}))
	b.submitImage(t).expect(t, http.StatusAccepted)
	// A sealed stream exists but accepts no messages.
	b.updateStream(t, broker.StreamUsage, func(cfg *jetstream.StreamConfig) { cfg.Sealed = true })
	resp := b.submitImage(t)
	resp.problem(t, http.StatusServiceUnavailable, "unavailable")
	if resp.Header.Get("Retry-After") != "5" {
		t.Errorf("%v", resp.Header)
	}
	for _, path := range originalRoutes {
		b.post(t, path, originalBody(path)).originalError(t, http.StatusServiceUnavailable, "unavailable")
	}
	ids := b.queued(t, job.OwnerAnonymous)
	if v := b.quota(t); len(ids) != 1 || v.Minute.Remaining != 8 {
		t.Errorf("%d jobs, %d left of the minute", len(ids), v.Minute.Remaining)
	}
}

// TestUnconfirmedSubmissionIsNotCharged has NATS store a job without acknowledging it. The caller gets 503 and is not charged;
// the job runs, and is not refunded when it fails.
func TestUnconfirmedSubmissionIsNotCharged(t *testing.T) {
	t.Parallel()
	b := setup(t, withQuota(9, 2), withSubmitTimeout(5*time.Second))
	setNoAck := func(noAck bool) {
		b.updateStream(t, broker.StreamJobs, func(cfg *jetstream.StreamConfig) { cfg.NoAck = noAck })
	}
	setNoAck(true)
	b.submitImage(t).problem(t, http.StatusServiceUnavailable, "unavailable")
	setNoAck(false)
	b.expectLeft(t, "after 503", 2)
	ids := b.queued(t, job.OwnerAnonymous)
	if len(ids) != 1 {
		t.Fatalf("%d jobs", len(ids))
	}
	entry := b.queueEntry(t, job.OwnerAnonymous, ids[0])
	must(t, b.jobs.Finish(t.Context(), jobs.Settlement{Record: &job.Record{
		Status: job.StatusFailed, Spec: entry.Spec, Error: job.NewError(job.CodeInternal, 0), FinishedAt: job.At(midday()),
	}}))
	for _, status := range []int{http.StatusAccepted, http.StatusAccepted, http.StatusPaymentRequired} {
		b.submitImage(t).expect(t, status)
	}
}

// TestQuotaProblems compares the error bodies with golden files, in both shapes and languages.
func TestQuotaProblems(t *testing.T) {
	t.Parallel()
	four := fields{"kind": "image", "input": fields{"prompt": "p", "n": 4}}
	for name, tc := range map[string]struct {
		limit change
		jobs  int // submitted before, of each group
		path  string
		body  any
	}{
		"rate_limited":            {withQuota(2, 10), 2, "/api/jobs", imageBody},
		"rate_limited_some":       {withQuota(5, 10), 2, "/api/jobs", four},
		"rate_limited_never":      {withQuota(3, 10), 0, "/api/jobs", four},
		"quota_exceeded":          {withQuota(9, 2), 2, "/api/jobs", imageBody},
		"quota_exceeded_some":     {withQuota(9, 5), 2, "/api/jobs", four},
		"quota_exceeded_never":    {withQuota(9, 3), 0, "/api/jobs", four},
		"original_rate_limited":   {withQuota(1, 10), 1, "/api/generate", originalBody("/api/generate")},
		"original_quota_exceeded": {withQuota(9, 1), 1, "/api/generate", originalBody("/api/generate")},
		"rate_limited_text":       {withTextQuota(2, 10), 2, "/api/jobs", goodBody},
		"quota_exceeded_text":     {withTextQuota(9, 2), 2, "/api/jobs", goodBody},
		"original_quota_text":     {withTextQuota(9, 1), 1, "/api/translate", originalBody("/api/translate")},
		"address_exceeded":        {withAddressQuota(2, 0), 2, "/api/jobs", imageBody},
		"address_exceeded_some":   {withAddressQuota(5, 0), 2, "/api/jobs", four},
		"address_exceeded_never":  {withAddressQuota(3, 0), 0, "/api/jobs", four},
		"address_exceeded_text":   {withAddressQuota(0, 2), 2, "/api/jobs", goodBody},
		"original_address":        {withAddressQuota(1, 0), 1, "/api/generate", originalBody("/api/generate")},
		"original_address_text":   {withAddressQuota(0, 1), 1, "/api/prompts/optimize", originalBody("/api/prompts/optimize")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, tc.limit)
			for range tc.jobs {
				b.submitImage(t).expect(t, http.StatusAccepted)
				b.submit(t, goodBody).expect(t, http.StatusAccepted)
			}
			for lang, accept := range map[string]string{"en": "", "zh": "zh"} {
				resp := b.post(t, tc.path, tc.body, language(accept))
				golden(t, fmt.Sprintf("problems/%s.%s.json", name, lang), fmt.Sprintf("%d %s Retry-After %s\n%s",
					resp.StatusCode, resp.Header.Get("Content-Type"), resp.Header.Get("Retry-After"), maskRequestIDs(resp.body)))
			}
		})
	}
}
