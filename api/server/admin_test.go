package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

const adminKey = "a-key-of-the-operator"

// withAdmin enables the operator's routes.
func withAdmin(cfg *server.Config, _ *server.Deps) { cfg.AdminKey = adminKey }

// withErrorLog logs only errors, as by default.
func withErrorLog(b **logBuffer) change {
	return func(_ *server.Config, deps *server.Deps) {
		*b = &logBuffer{}
		deps.Log, _ = telemetry.NewLogger(*b, "error")
	}
}

// admin sends a request with the operator's key.
func (b *bundle) admin(t testing.TB, method, path string, body any, options ...option) *reply {
	t.Helper()
	return b.request(t, method, "/api/admin"+path, body, append([]option{bearer(adminKey)}, options...)...)
}

// storeDeadLetter stores a failed job and its dead letter.
func (b *bundle) storeDeadLetter(t testing.TB, owner, id, code string) *job.Spec {
	t.Helper()
	spec := b.storeFailedJob(t, owner, id, code)
	r, err := b.store.RecordLeader(t.Context(), owner, id)
	must(t, err)
	must(t, b.jobs.Finish(t.Context(), jobs.Settlement{Record: r, Detail: "upstream detail of " + id}))
	return spec
}

// deadLetterView is a dead letter as a client reads it.
type deadLetterView struct {
	ID, Kind, Lane, Owner, Detail string
	FailedAt                      string `json:"failed_at"`
	RequestID                     string `json:"request_id"`
	Failures                      *int
	Replayable                    bool
	Error                         *problemBody
	Input                         fields
}

type deadLetterList struct {
	Letters []deadLetterView `json:"dead_letters"`
	Total   int
	Next    string `json:"next_cursor"`
}

// deadLetters returns a page of the dead letters.
func (b *bundle) deadLetters(t testing.TB, query string) deadLetterList {
	t.Helper()
	var list deadLetterList
	b.admin(t, http.MethodGet, "/dead-letters"+query, nil).expect(t, http.StatusOK).decode(t, &list)
	return list
}

// ids returns the ids of the dead letters, separated by spaces.
func (l deadLetterList) ids() string {
	ids := []string{}
	for _, l := range l.Letters {
		ids = append(ids, l.ID)
	}
	return strings.Join(ids, " ")
}

// operatorActions returns the log lines of operator actions.
func (b *bundle) operatorActions(t testing.TB) []fields {
	t.Helper()
	var actions []fields
	for line := range strings.Lines(b.log.String()) {
		var f fields
		must(t, json.Unmarshal([]byte(line), &f))
		if f["msg"] == "operator action" {
			actions = append(actions, f)
		}
	}
	return actions
}

func TestAdminKey(t *testing.T) {
	t.Parallel()
	off := setup(t)
	for _, key := range []string{"", adminKey} {
		off.get(t, "/api/admin/dead-letters", header("X-Admin-Key", key)).problem(t, http.StatusForbidden, "admin_disabled")
	}
	b := setup(t, withAdmin)
	for name, headers := range map[string][]option{
		"bearer":                       {bearer(adminKey)},
		"lower case":                   {header("Authorization", "bearer  "+adminKey)},
		"X-Admin-Key":                  {header("X-Admin-Key", adminKey)},
		"X-Admin-Key and bearer token": {header("X-Admin-Key", adminKey), header("Authorization", "Bearer of something else")},
	} {
		resp := b.get(t, "/api/admin/dead-letters", headers...).expect(t, http.StatusOK)
		if resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", name, resp.Header)
		}
	}
	for name, options := range map[string][]option{
		"none": nil, "an empty one": {header("X-Admin-Key", "")}, "basic": {header("Authorization", "Basic "+adminKey)},
	} {
		resp := b.get(t, "/api/admin/dead-letters?key="+adminKey+"&token="+adminKey, options...)
		resp.problem(t, http.StatusUnauthorized, "admin_key_required")
		if resp.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: %v", name, resp.Header)
		}
	}
	if actions := b.operatorActions(t); slices.ContainsFunc(actions, func(f fields) bool { return f["outcome"] != "done" }) {
		t.Errorf("a request without a key counts as a guess: %v", actions)
	}
}

func TestWrongAdminKeysAreLimited(t *testing.T) {
	t.Parallel()
	now := time.Now()
	b := setup(t, withAdmin, func(cfg *server.Config, deps *server.Deps) {
		cfg.TrustedProxies = []string{"127.0.0.1"}
		deps.Now = func() time.Time { return now }
	})
	guess := func(key, ip string) *reply {
		return b.post(t, "/api/admin/dead-letters/purge", fields{"all": true}, header("X-Admin-Key", key), fromIP(ip))
	}
	for i := range 10 {
		guess(fmt.Sprintf("canary %d", i), "192.0.2.1").problem(t, http.StatusUnauthorized, "admin_key_required")
	}
	// From then on every key from this address is rejected, the correct one too.
	for _, key := range []string{"canary", adminKey} {
		resp := guess(key, "192.0.2.1")
		resp.problem(t, http.StatusTooManyRequests, "too_many_guesses")
		if resp.Header.Get("Retry-After") != "60" {
			t.Errorf("Retry-After %q", resp.Header.Get("Retry-After"))
		}
	}
	guess(adminKey, "192.0.2.2").expect(t, http.StatusOK)
	// IPv6 addresses of one network are limited together.
	for i := range 10 {
		guess("canary", fmt.Sprintf("2001:db8::%d", i)).problem(t, http.StatusUnauthorized, "admin_key_required")
	}
	guess("canary", "2001:db8::ffff").problem(t, http.StatusTooManyRequests, "too_many_guesses")

	actions := b.operatorActions(t)
	rejected := 0
	for _, f := range actions {
		if f["outcome"] == "refused" {
			rejected++
			if f["act"] != "POST /api/admin/dead-letters/purge" || f["address"] == "" || f["request_id"] == "" {
				t.Errorf("%v", f)
			}
		}
	}
	if rejected != 20 {
		t.Errorf("%d rejected keys in the log, want 20: %v", rejected, actions)
	}
	if log := b.log.String(); strings.Contains(log, "canary") || strings.Contains(log, adminKey) {
		t.Errorf("a key is in the log: %s", log)
	}
	now = now.Add(time.Minute)
	guess(adminKey, "192.0.2.1").expect(t, http.StatusOK)
}

func TestListDeadLetters(t *testing.T) {
	t.Parallel()
	b := setup(t, withAdmin)
	empty := b.deadLetters(t, "")
	if empty.Letters == nil || empty.Total != 0 || empty.Next != "" {
		t.Errorf("%+v", empty)
	}
	for i, code := range []string{job.CodeTimeout, job.CodeModerated, job.CodeTimeout, job.CodeInvalidJob, job.CodeTimeout} {
		b.storeDeadLetter(t, []string{"u1", "u2"}[i%2], fmt.Sprintf("j%d", i), code)
	}
	for query, want := range map[string]string{
		"": "j4 j3 j2 j1 j0", "?code=upstream_timeout": "j4 j2 j0", "?code=upstream_timeout,content_moderated": "j4 j2 j1 j0",
		"?owner=u2": "j3 j1", "?kind=image&owner=u1&code=upstream_timeout": "j4 j2 j0", "?kind=audio": "",
		"?kind=image&kind=audio": "j4 j3 j2 j1 j0", "?since=2026-01-02T03:05:09Z": "j4 j3 j2 j1 j0", "?since=2026-01-02T03:05:10Z": "",
		"?since=2100-01-01T00:00:00Z": "", "?code=worker_lost": "",
	} {
		list := b.deadLetters(t, query)
		if list.ids() != want || list.Total != len(strings.Fields(want)) || list.Next != "" {
			t.Errorf("%q: %s of %d, want %s", query, list.ids(), list.Total, want)
		}
	}
	var pages []string
	for cursor := ""; ; {
		list := b.deadLetters(t, "?limit=2&cursor="+cursor)
		pages = append(pages, list.ids())
		if cursor = list.Next; cursor == "" {
			break
		}
	}
	if got := strings.Join(pages, " | "); got != "j4 j3 | j2 j1 | j0" {
		t.Errorf("pages %s", got)
	}
	var list deadLetterList
	b.admin(t, http.MethodGet, "/dead-letters?limit=2", nil, language("zh")).decode(t, &list)
	if l := list.Letters[0]; l.Kind != "image" || l.Lane != "guest" || l.Owner != "u1" || l.FailedAt != at(9).String() || l.Failures == nil ||
		!l.Replayable || l.Detail != "upstream detail of j4" || l.Error.Message != job.FailureSentence(job.CodeTimeout, job.Chinese) || l.Input != nil {
		t.Errorf("%+v", l)
	}
	if list.Letters[1].Replayable {
		t.Error("an unreadable job can be replayed")
	}
	for query, fault := range map[string]string{
		"limit=0": "?limit out_of_range", "limit=101": "?limit out_of_range", "kind=video": "?kind unknown_value", "code=odd": "?code unknown_value",
		"owner=a.b": "?owner invalid_value", "owner=*": "?owner invalid_value", "since=yesterday": "?since invalid_time",
	} {
		f := b.admin(t, http.MethodGet, "/dead-letters?"+query, nil).problem(t, http.StatusBadRequest, "invalid_request")
		if fmt.Sprint(f.Errors.list()) != "["+fault+"]" {
			t.Errorf("%s: %v", query, f.Errors.list())
		}
	}
	for _, cursor := range []string{"x", "bDEuMDE", strings.Repeat("a", 300), server.EncodeSequences("b1", 1, 2), server.EncodeSequences("l1", 1, 2), server.EncodeSequences("l1")} {
		b.admin(t, http.MethodGet, "/dead-letters?cursor="+cursor, nil).problem(t, http.StatusBadRequest, "invalid_cursor")
	}
}

func TestShowDeadLetter(t *testing.T) {
	t.Parallel()
	b := setup(t, withAdmin)
	b.storeDeadLetter(t, "u1", "j1", job.CodeTimeout)
	var l deadLetterView
	b.admin(t, http.MethodGet, "/dead-letters/j1", nil).expect(t, http.StatusOK).decode(t, &l)
	if l.ID != "j1" || l.Input["prompt"] != "a lighthouse" || l.Input["seed"] != 7.0 || l.Detail == "" {
		t.Errorf("%+v", l)
	}
	_, err := b.broker.JetStream().Publish(t.Context(), broker.DeadSubject(job.KindAudio, "u1", "newer"), []byte(`{"v":3}`))
	must(t, err)
	var newer deadLetterView
	b.admin(t, http.MethodGet, "/dead-letters/newer", nil).expect(t, http.StatusOK).decode(t, &newer)
	if newer.ID != "newer" || newer.Kind != "audio" || newer.Owner != "u1" || newer.FailedAt == "" || newer.Replayable || newer.Error != nil {
		t.Errorf("%+v", newer)
	}
	for _, id := range []string{"nothing", "*", ">", "a.b", "%2A"} {
		b.admin(t, http.MethodGet, "/dead-letters/"+id, nil).problem(t, http.StatusNotFound, "not_found")
	}
	for _, f := range b.operatorActions(t) {
		if f["act"] != "show dead letter" || f["job_id"] == "" || f["address"] != "127.0.0.1" || f["kind"] == "" || f["outcome"] != "done" {
			t.Errorf("%v", f)
		}
	}
	if log := b.log.String(); strings.Contains(log, "lighthouse") || strings.Contains(log, "upstream detail") {
		t.Errorf("user data is in the log: %s", log)
	}
}

func TestReplayDeadLetter(t *testing.T) {
	t.Parallel()
	b := setup(t, withAdmin, func(cfg *server.Config, _ *server.Deps) { cfg.MaxAttempts = 3 })
	c, me := guest()
	b.storeDeadLetter(t, me, "j1", job.CodeTimeout)
	b.storeDeadLetter(t, me, "bad", job.CodeInvalidJob)
	var got retried
	resp := b.admin(t, http.MethodPost, "/dead-letters/j1/replay", nil).expect(t, http.StatusAccepted)
	resp.decode(t, &got)
	if got.RetriedFrom != "j1" || got.Status != "queued" || got.Input["seed"] != 7.0 || got.MaxAttempts != 3 || resp.Header.Get("Idempotent-Replayed") != "" {
		t.Errorf("%s", resp.body)
	}
	// The job belongs to its owner, on the owner's lane, and the dead letter is deleted.
	b.get(t, "/api/jobs/"+got.ID, cookie(c)).expect(t, http.StatusOK)
	b.get(t, "/api/jobs/"+got.ID).problem(t, http.StatusNotFound, "not_found")
	entry := b.queueEntry(t, me, got.ID)
	if entry.Spec.Lane != job.LaneGuest || entry.Spec.RequestID != resp.Header.Get("X-Request-Id") || entry.Spec.Allowance() != 90*time.Second {
		t.Errorf("%+v", entry.Spec)
	}
	b.admin(t, http.MethodPost, "/dead-letters/j1/replay", nil).problem(t, http.StatusNotFound, "not_found")
	b.admin(t, http.MethodGet, "/dead-letters/j1", nil).problem(t, http.StatusNotFound, "not_found")
	b.admin(t, http.MethodPost, "/dead-letters/bad/replay", nil).problem(t, http.StatusConflict, "not_retryable")
	b.admin(t, http.MethodGet, "/dead-letters/bad", nil).expect(t, http.StatusOK)

	// The same failure is stored again, as after a crash between the two writes: the replay returns the existing job.
	r, err := b.store.RecordLeader(t.Context(), me, "j1")
	must(t, err)
	must(t, b.jobs.Finish(t.Context(), jobs.Settlement{Record: r}))
	var again retried
	resp = b.admin(t, http.MethodPost, "/dead-letters/j1/replay", nil).expect(t, http.StatusAccepted)
	resp.decode(t, &again)
	if again.ID != got.ID || !resp.replayed() {
		t.Errorf("%v %s", resp.Header, resp.body)
	}
	if n := b.metric(t, "jobs_submitted_total"); n != 1 {
		t.Errorf("%v submissions counted, want 1", n)
	}
	// Another failure with the same id, as after a reused key, creates another job.
	r.FinishedAt = at(30)
	must(t, b.jobs.Finish(t.Context(), jobs.Settlement{Record: r, Detail: "later"}))
	var other retried
	b.admin(t, http.MethodPost, "/dead-letters/j1/replay", nil).expect(t, http.StatusAccepted).decode(t, &other)
	if other.ID == got.ID {
		t.Error("another failure returned the same job")
	}
	var outcomes []string
	for _, f := range b.operatorActions(t) {
		if f["act"] == "replay dead letter" {
			outcomes = append(outcomes, fmt.Sprint(f["job_id"], " ", f["outcome"], " ", f["new_job_id"], " ", f["code"]))
		}
	}
	want := []string{
		"j1 done " + got.ID + " <nil>", "bad failed <nil> not_retryable", "j1 done " + got.ID + " <nil>", "j1 done " + other.ID + " <nil>",
	}
	if !slices.Equal(outcomes, want) {
		t.Errorf("log %q, want %q", outcomes, want)
	}
}

func TestPurgeDeadLetter(t *testing.T) {
	t.Parallel()
	var log *logBuffer
	b := setup(t, withAdmin, withErrorLog(&log))
	b.log = log
	b.storeDeadLetter(t, "u1", "j1", job.CodeTimeout)
	b.storeDeadLetter(t, "u1", "j2", job.CodeTimeout)
	b.admin(t, http.MethodDelete, "/dead-letters/j1", nil).expect(t, http.StatusNoContent)
	b.admin(t, http.MethodDelete, "/dead-letters/j1", nil).problem(t, http.StatusNotFound, "not_found")
	list := b.deadLetters(t, "")
	if list.ids() != "j2" {
		t.Errorf("%+v", list)
	}
	// The record of the job is kept.
	_, err := b.store.RecordLeader(t.Context(), "u1", "j1")
	must(t, err)
	if actions := b.operatorActions(t); len(actions) != 2 || actions[0]["act"] != "purge dead letter" || actions[0]["job_id"] != "j1" {
		t.Errorf("%v", actions)
	}
}

type bulkReply struct {
	Done, Skipped int
	StoppedBy     string `json:"stopped_by"`
	Next          string `json:"next_cursor"`
}

// bulk replays or purges dead letters.
func (b *bundle) bulk(t testing.TB, action string, body fields) bulkReply {
	t.Helper()
	var got bulkReply
	b.admin(t, http.MethodPost, "/dead-letters/"+action, body).expect(t, http.StatusOK).decode(t, &got)
	return got
}

func TestBulk(t *testing.T) {
	t.Parallel()
	b := setup(t, withAdmin)
	for i := range 10 {
		b.storeDeadLetter(t, "u1", fmt.Sprintf("t%d", i), job.CodeTimeout)
		b.storeDeadLetter(t, "u2", fmt.Sprintf("m%d", i), job.CodeModerated)
	}
	b.storeDeadLetter(t, "u1", "bad", job.CodeInvalidJob)
	first := b.bulk(t, "replay", fields{"code": "upstream_timeout", "limit": 4})
	if first.Done != 4 || first.Skipped != 0 || first.Next == "" {
		t.Fatalf("%+v", first)
	}
	ids := b.queued(t, "u1")
	var from []string
	for _, id := range ids {
		entry := b.queueEntry(t, "u1", id)
		from = append(from, entry.Spec.RetriedFrom)
	}
	if slices.Sort(from); !slices.Equal(from, []string{"t0", "t1", "t2", "t3"}) {
		t.Errorf("replayed %v, want the oldest", from)
	}
	// A job that fails during the replay is not replayed too, or the loop would never end.
	b.storeDeadLetter(t, "u1", "late", job.CodeTimeout)
	second := b.bulk(t, "replay", fields{"code": "upstream_timeout", "limit": 4, "cursor": first.Next})
	third := b.bulk(t, "replay", fields{"code": "upstream_timeout", "limit": 4, "cursor": second.Next})
	if second.Done != 4 || third.Done != 2 || third.Next != "" {
		t.Errorf("%+v, %+v", second, third)
	}
	if all := b.bulk(t, "replay", fields{"owner": "u1", "limit": 1000}); all.Done != 1 || all.Skipped != 1 || all.Next != "" {
		t.Errorf("%+v", all)
	}
	if purged := b.bulk(t, "purge", fields{"kind": "image", "code": "content_moderated,worker_lost", "limit": 7}); purged.Done != 7 || purged.Next == "" {
		t.Errorf("%+v", purged)
	}
	list := b.deadLetters(t, "")
	if list.ids() != "bad m9 m8 m7" {
		t.Errorf("left %s", list.ids())
	}
	if purged := b.bulk(t, "purge", fields{"all": true}); purged.Done != 4 || purged.Skipped != 0 {
		t.Errorf("%+v", purged)
	}
	counts := map[string]int{}
	for _, f := range b.operatorActions(t) {
		counts[fmt.Sprint(f["act"], " ", f["outcome"])]++
	}
	if counts["replay dead letter done"] != 11 || counts["replay dead letter failed"] != 1 || counts["purge dead letter done"] != 11 {
		t.Errorf("log: %v", counts)
	}
}

func TestInvalidBulkRequests(t *testing.T) {
	t.Parallel()
	b := setup(t, withAdmin)
	b.storeDeadLetter(t, "u1", "j1", job.CodeTimeout)
	for _, action := range []string{"replay", "purge"} {
		for body, fault := range map[string]string{
			`{}`: "/all all_needed", `{"all":false}`: "/all all_needed", `{"limit":0,"all":true}`: "/limit out_of_range", `{"limit":1001,"all":true}`: "/limit out_of_range",
			`{"kind":"video"}`: "/kind unknown_value", `{"code":"odd"}`: "/code unknown_value", `{"owner":"*"}`: "/owner invalid_value",
			`{"since":"x"}`: "/since invalid_time", `{"ids":[]}`: "/ids unknown_field", `{"all":"yes"}`: "/all wrong_type",
		} {
			f := b.admin(t, http.MethodPost, "/dead-letters/"+action, body).problem(t, http.StatusBadRequest, "invalid_request")
			if fmt.Sprint(f.Errors.list()) != "["+fault+"]" {
				t.Errorf("%s: %v", body, f.Errors.list())
			}
		}
		b.admin(t, http.MethodPost, "/dead-letters/"+action, nil).problem(t, http.StatusBadRequest, "body_required")
		for _, cursor := range []string{"x", server.EncodeSequences("l1", 1), server.EncodeSequences("b1", 1)} {
			b.admin(t, http.MethodPost, "/dead-letters/"+action, fields{"all": true, "cursor": cursor}).problem(t, http.StatusBadRequest, "invalid_cursor")
		}
	}
	if depth, err := b.store.DeadLetterCount(t.Context()); err != nil || depth != 1 {
		t.Errorf("%d dead letters, %v", depth, err)
	}
}

// TestBulkStopsAtFullQueue replays more jobs than fit into the queue and continues when there is space.
func TestBulkStopsAtFullQueue(t *testing.T) {
	t.Parallel()
	b := setup(t, withAdmin)
	for i := range 5 {
		b.storeDeadLetter(t, "u1", fmt.Sprintf("j%d", i), job.CodeTimeout)
	}
	setMaxMsgs := func(n int64) {
		b.updateStream(t, broker.StreamJobs, func(cfg *jetstream.StreamConfig) { cfg.MaxMsgs = n })
	}
	setMaxMsgs(2)
	first := b.bulk(t, "replay", fields{"all": true})
	if first.Done != 2 || first.StoppedBy != "queue_full" || first.Next == "" {
		t.Fatalf("%+v", first)
	}
	b.admin(t, http.MethodPost, "/dead-letters/replay", fields{"all": true, "cursor": first.Next}).problem(t, http.StatusServiceUnavailable, "queue_full")
	setMaxMsgs(-1)
	if second := b.bulk(t, "replay", fields{"all": true, "cursor": first.Next}); second.Done != 3 || second.StoppedBy != "" || second.Next != "" {
		t.Errorf("%+v", second)
	}
	var left []uint64
	must(t, broker.Range(t.Context(), b.broker.JetStream(), broker.StreamDead, ">", 1, 100, func(m *jetstream.RawStreamMsg) (bool, error) {
		left = append(left, m.Sequence)
		return true, nil
	}))
	if len(left) != 0 {
		t.Errorf("dead letters left at %v", left)
	}
}
