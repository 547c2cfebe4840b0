package server_test

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

func TestSubmit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, kind := range job.Kinds() {
		input := fields{"text": "a cat"}
		if kind == job.KindImage {
			input = fields{"prompt": "a cat"}
		}
		resp := b.submit(t, fields{"kind": kind, "input": input, "deadline_seconds": 90}).
			expect(t, http.StatusAccepted)
		var v view
		resp.decode(t, &v)
		if id, err := uuid.Parse(v.ID); err != nil || id.Version() != 7 {
			t.Errorf("id %q: %v", v.ID, err)
		}
		created, err := time.Parse(time.RFC3339Nano, v.CreatedAt)
		must(t, err)
		deadline, err := time.Parse(time.RFC3339Nano, v.Deadline)
		must(t, err)
		if deadline.Sub(created) != 90*time.Second || v.Status != "queued" || v.MaxAttempts != 8 || v.QueuePosition != nil {
			t.Errorf("%s: %s", kind, resp.body)
		}
		var read view
		b.get(t, "/api/jobs/"+v.ID).expect(t, http.StatusOK).decode(t, &read)
		if read.QueuePosition == nil || *read.QueuePosition != 0 {
			t.Errorf("%s has position %v, want 0", kind, read.QueuePosition)
		}
		resp.expectHeaders(t, map[string]string{
			"Location": "/api/jobs/" + v.ID, "Retry-After": "1", "Content-Type": "application/json; charset=utf-8",
			"ETag": `W/"0.0"`, "Preference-Applied": "", "Idempotent-Replayed": "",
		})
		entry := b.queueEntry(t, job.OwnerAnonymous, v.ID)
		if entry.Spec.RequestID != resp.Header.Get("X-Request-Id") || entry.Spec.Lane != job.LaneGuest {
			t.Errorf("%s: stored %+v", kind, entry.Spec)
		}
		if got := b.metric(t, "jobs_submitted_total", string(kind), "guest"); got != 1 {
			t.Errorf("%s: %v submissions counted", kind, got)
		}
	}
}

func TestSubmitFillsDefaults(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var v view
	b.submit(t, fields{"kind": "image", "input": fields{"prompt": "p"}}).decode(t, &v)
	seed, ok := v.Input["seed"].(float64)
	if !ok || seed < 0 || v.Input["model"] != "flux" || v.Input["width"] != 1024.0 || v.Input["height"] != 1024.0 || v.Input["n"] != 1.0 {
		t.Errorf("image: %v", v.Input)
	}
	for _, tc := range []struct{ model, voice, wantModel, wantVoice string }{
		{"", "", "elevenlabs", "nova"},
		{"tts-1", "", "elevenlabs", "nova"},
		{"Kokoro", "", "kokoro", "af_alloy"},
		{"", "AF_Heart", "kokoro", "af_heart"},
		{"", "nova", "elevenlabs", "nova"},
		{"elevenflash", "Echo", "elevenflash", "echo"},
	} {
		input := fields{"text": "t"}
		if tc.model != "" {
			input["model"] = tc.model
		}
		if tc.voice != "" {
			input["voice"] = tc.voice
		}
		resp := b.submit(t, fields{"kind": "audio", "input": input}).expect(t, http.StatusAccepted)
		v = view{}
		resp.decode(t, &v)
		if v.Input["model"] != tc.wantModel || v.Input["voice"] != tc.wantVoice || v.Input["format"] != "mp3" {
			t.Errorf("%+v: %v", tc, v.Input)
		}
	}
}

// TestSubmitFillsTheFormatOfTheModel omits the format for a model that does not support the default one.
func TestSubmitFillsTheFormatOfTheModel(t *testing.T) {
	t.Parallel()
	b := setup(t, func(_ *server.Config, deps *server.Deps) {
		for i := range deps.Catalogue.Speech {
			if deps.Catalogue.Speech[i].Name == "kokoro" {
				deps.Catalogue.Speech[i].Formats = []string{"wav"}
			}
		}
	})
	for _, tc := range []struct{ input, format string }{
		{`"model":"kokoro"`, "wav"},
		{`"voice":"af_heart"`, "wav"},
		{`"model":"kokoro","format":"WAV"`, "wav"},
		{`"model":"elevenlabs"`, "mp3"},
		{`"voice":"nova"`, "mp3"},
	} {
		v := b.submit(t, `{"kind":"audio","input":{"text":"t",`+tc.input+`}}`).job(t, http.StatusAccepted)
		if v.Input["format"] != tc.format {
			t.Errorf("%s: %v", tc.input, v.Input)
		}
	}
	b.submit(t, `{"kind":"audio","input":{"text":"t","voice":"af_heart","format":"mp3"}}`).
		problem(t, http.StatusBadRequest, "invalid_request")
}

func TestSubmitAndWait(t *testing.T) {
	t.Parallel()
	b := setup(t)
	body := fields{"kind": "prompt", "input": fields{"text": "a cat"}}
	b.work(t, job.KindPrompt, succeedJob)
	resp := b.submit(t, body, header("Prefer", "respond-async, wait=50")).expect(t, http.StatusOK)
	var v view
	resp.decode(t, &v)
	if v.Status != "succeeded" || v.Result == nil || v.Result.Text != "better" || resp.Header.Get("Preference-Applied") != "wait=50" ||
		resp.Header.Get("Location") != "/api/jobs/"+v.ID || resp.Header.Get("Retry-After") != "" {
		t.Errorf("%v: %s", resp.Header, resp.body)
	}
	resp = b.submit(t, body, preferWait(1)).expect(t, http.StatusAccepted)
	if resp.Header.Get("Preference-Applied") != "wait=1" || resp.Header.Get("Retry-After") != "1" {
		t.Errorf("headers %v", resp.Header)
	}
	if !strings.Contains(resp.Header.Get("Vary"), "Prefer") {
		t.Errorf("Vary: %s", resp.Header.Get("Vary"))
	}
}

func TestGetJobInEveryState(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c, owner := guest()
	get := func(id string, options ...option) *reply {
		return b.get(t, "/api/jobs/"+id, append(options, cookie(c))...)
	}
	check := func(resp *reply, status, etag, retryAfter string) {
		t.Helper()
		var v view
		resp.expect(t, http.StatusOK).decode(t, &v)
		if v.Status != status || resp.Header.Get("ETag") != etag || resp.Header.Get("Retry-After") != retryAfter ||
			resp.Header.Get("Cache-Control") != "private, no-cache" {
			t.Errorf("status %s, headers %v", v.Status, resp.Header)
		}
		again := get(v.ID, header("If-None-Match", `"other", `+etag))
		if again.StatusCode != http.StatusNotModified || len(again.body) > 0 || again.Header.Get("ETag") != etag ||
			again.Header.Get("Retry-After") != retryAfter {
			t.Errorf("with its ETag: %d %v %s", again.StatusCode, again.Header, again.body)
		}
		head := b.head(t, "/api/jobs/"+v.ID, cookie(c)).expect(t, http.StatusOK)
		if head.Header.Get("ETag") != etag || len(head.body) != 0 {
			t.Errorf("HEAD: %v", head.Header)
		}
	}
	spec := b.push(t, imageSpec(owner, "job-a"))
	check(get(spec.ID), "queued", `W/"0.0"`, "1")
	b.putProgress(t, owner, &job.Progress{ID: spec.ID, Status: job.StatusRunning, Delivery: 1, Step: 1, Attempt: 1})
	check(get(spec.ID), "running", `W/"1.1"`, "1")
	for seconds, retryAfter := range map[int]string{-5: "1", 4: "4", 600: "10"} {
		next := job.AtPtr(time.Now().Add(time.Duration(seconds) * time.Second))
		b.putProgress(t, owner, &job.Progress{ID: spec.ID, Status: job.StatusRetrying, Delivery: 1, Step: 2, Attempt: 1, NextAttemptAt: next})
		check(get(spec.ID), "retrying", `W/"1.2"`, retryAfter)
	}
	b.settle(t, spec, &job.Record{Status: job.StatusSucceeded, Attempt: 1, Result: &job.Result{}})
	check(get(spec.ID), "succeeded", `W/"end"`, "")
}

func TestGetJobLanguage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	spec := imageSpec(job.OwnerAnonymous, "job-a")
	missing := []job.Missing{{Index: 1, Error: *job.NewError(job.CodeTimeout, 0)}}
	b.settle(t, spec, &job.Record{Status: job.StatusFailed, Error: job.NewError(job.CodeModerated, 400), Result: &job.Result{Missing: missing}})
	resp := b.get(t, "/api/jobs/job-a", language("zh-Hans"))
	for _, code := range []string{job.CodeModerated, job.CodeTimeout} {
		if want := job.FailureSentence(code, job.Chinese); !strings.Contains(string(resp.body), want) {
			t.Errorf("no %q in %s", want, resp.body)
		}
	}
	resp = b.get(t, "/api/jobs/job-a", language("fr, de;q=0.5"))
	if want := job.FailureSentence(job.CodeModerated, job.English); !strings.Contains(string(resp.body), want) {
		t.Errorf("no %q in %s", want, resp.body)
	}
}

func TestLongPoll(t *testing.T) {
	t.Parallel()
	b := setup(t)
	spec := b.push(t, imageSpec(job.OwnerAnonymous, "job-a"))
	path := "/api/jobs/" + spec.ID
	type outcome struct {
		resp *reply
		view view
	}
	poll := func(options ...option) chan outcome {
		outcomes := make(chan outcome, 1)
		go func() {
			o := outcome{resp: b.get(t, path+"?wait=60", options...)}
			if o.resp.StatusCode == http.StatusOK {
				o.resp.decode(t, &o.view)
			}
			outcomes <- o
		}()
		return outcomes
	}
	t.Log("a poll with the current ETag ends at the next change")
	changed := poll(header("If-None-Match", `W/"0.0"`))
	ended := poll()
	// Whether the poll has subscribed before this change is not observable; the response is the same in both cases.
	b.putProgress(t, spec.Owner, &job.Progress{ID: spec.ID, Status: job.StatusRunning, Delivery: 1, Step: 1, Attempt: 1})
	if o := <-changed; o.view.Status != "running" {
		t.Errorf("changed: %d %s", o.resp.StatusCode, o.resp.body)
	}
	select {
	case o := <-ended:
		t.Errorf("ended before the end: %s", o.resp.body)
	default:
	}
	b.settle(t, spec, &job.Record{Status: job.StatusSucceeded, Result: &job.Result{}})
	if o := <-ended; o.view.Status != "succeeded" {
		t.Errorf("ended: %d %s", o.resp.StatusCode, o.resp.body)
	}
	t.Log("nothing to wait for")
	if o := <-poll(header("If-None-Match", `W/"end"`)); o.resp.StatusCode != http.StatusNotModified {
		t.Errorf("after the end: %d", o.resp.StatusCode)
	}
}

func TestLongPollTimesOut(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.push(t, imageSpec(job.OwnerAnonymous, "job-a"))
	began := time.Now()
	b.get(t, "/api/jobs/job-a?wait=1").expect(t, http.StatusOK)
	if time.Since(began) < 900*time.Millisecond {
		t.Error("the request did not wait")
	}
	b.get(t, "/api/jobs/job-a?wait=1", header("If-None-Match", `W/"0.0"`)).expect(t, http.StatusNotModified)
}

func TestWaitIsChecked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.push(t, imageSpec(job.OwnerAnonymous, "job-a"))
	for _, wait := range []string{"-1", "61", "x", "1.5", "", "1e1", "99999999999999999999"} {
		f := b.get(t, "/api/jobs/job-a?wait="+wait).problem(t, http.StatusBadRequest, "invalid_request")
		if len(f.Errors) != 1 || f.Errors[0].Pointer != "?wait" || f.Detail != "wait must be between 0 and 60" {
			t.Errorf("wait=%s: %+v", wait, f)
		}
	}
	b.get(t, "/api/jobs/job-a?wait=0").expect(t, http.StatusOK)
}

// malformedIDs are values in place of a job id.
var malformedIDs = []string{
	"unknown", "%00", "a%00b", "..%2f..%2fetc%2fpasswd", "..", "%2e%2e", "*", "a.b", "%3E", "jobs.%3E", " ", "%20", "%F0%9F%99%82",
	"%ff%fe", strings.Repeat("a", 65), strings.Repeat("a", 10_000), "'%20OR%201=1", "${7*7}", "-", "%0d%0aX-Evil:%201", "guest.x",
}

func TestMalformedIDsAreNotFound(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c, _ := guest()
	for _, id := range malformedIDs {
		for _, route := range []struct{ method, path string }{
			{http.MethodGet, "/api/jobs/" + id},
			{http.MethodGet, "/api/jobs/" + id + "?wait=1"},
			{http.MethodGet, "/api/jobs/" + id + "/events"},
			{http.MethodGet, "/api/jobs/" + id + "/media/0"},
			{http.MethodPost, "/api/jobs/" + id + "/cancel"},
			{http.MethodDelete, "/api/jobs/" + id},
		} {
			if strings.Contains(route.path, " ") {
				continue
			}
			resp := b.raw(t, route.method, route.path, cookie(c))
			want := http.StatusNotFound
			if strings.Contains(strings.ToLower(id), "%2f") || id == ".." || id == "%2e%2e" {
				want = http.StatusBadRequest // A proxy may resolve the path differently.
			}
			if resp.StatusCode != want {
				t.Errorf("%s %.80s: status %d", route.method, route.path, resp.StatusCode)
			}
			if resp.Header.Get("X-Evil") != "" {
				t.Error("a header was injected")
			}
		}
	}
}

func TestOthersJobsAreNotFound(t *testing.T) {
	t.Parallel()
	b := setup(t)
	mine, owner := guest()
	other, _ := guest()
	b.push(t, imageSpec(owner, "queued"))
	done := imageSpec(owner, "done")
	_, products := succeedJob(done)
	b.settle(t, done, &job.Record{Status: job.StatusSucceeded}, products...)
	anonymous := b.push(t, imageSpec(job.OwnerAnonymous, "anonymous"))
	forged := *mine
	end := "AA"
	if strings.HasSuffix(forged.Value, end) {
		end = "QA"
	}
	forged.Value = forged.Value[:len(forged.Value)-len(end)] + end
	others := []struct {
		name    string
		options []option
	}{{"anonymous", nil}, {"another guest", []option{cookie(other)}}, {"a forged cookie", []option{cookie(&forged)}}}
	for _, id := range []string{"queued", "done"} {
		for _, s := range others {
			for _, route := range []struct{ method, path string }{
				{http.MethodGet, ""},
				{http.MethodHead, ""},
				{http.MethodGet, "?wait=1"},
				{http.MethodGet, "/events"},
				{http.MethodHead, "/events"},
				{http.MethodGet, "/media/0"},
				{http.MethodPost, "/cancel"},
				{http.MethodDelete, ""},
			} {
				resp := b.request(t, route.method, "/api/jobs/"+id+route.path, nil, s.options...)
				if resp.StatusCode != http.StatusNotFound {
					t.Errorf("%s: %s %s of %s: status %d", s.name, route.method, route.path, id, resp.StatusCode)
				}
			}
		}
		b.get(t, "/api/jobs/"+id, cookie(mine)).expect(t, http.StatusOK)
	}
	b.get(t, "/api/jobs/done/media/0", cookie(mine)).expect(t, http.StatusOK)
	// A job that was submitted before the guest got a cookie is still found by its id.
	b.get(t, "/api/jobs/"+anonymous.ID, cookie(mine)).expect(t, http.StatusOK)
}

func TestSubmittedJobBelongsToTheGuest(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c, owner := guest()
	v := b.submit(t, goodBody, cookie(c)).job(t, http.StatusAccepted)
	if _, err := b.jobs.Read(t.Context(), []string{owner}, v.ID); err != nil {
		t.Error(err)
	}
	b.get(t, "/api/jobs/"+v.ID).problem(t, http.StatusNotFound, "not_found")
}

func TestCancel(t *testing.T) {
	t.Parallel()
	b := setup(t)
	queued := b.push(t, imageSpec(job.OwnerAnonymous, "queued"))
	running := b.push(t, imageSpec(job.OwnerAnonymous, "running"))
	b.putProgress(t, running.Owner, &job.Progress{ID: running.ID, Status: job.StatusRunning, Delivery: 1, Step: 1, Attempt: 1})
	for id, want := range map[string]string{queued.ID: "before_start", running.ID: "while_running"} {
		for range 2 {
			var v view
			resp := b.cancel(t, id).expect(t, http.StatusOK)
			resp.decode(t, &v)
			if v.Status != "canceled" || v.Cancel != want {
				t.Errorf("%s: %s", id, resp.body)
			}
		}
	}
	done := imageSpec(job.OwnerAnonymous, "done")
	b.settle(t, done, &job.Record{Status: job.StatusSucceeded, Result: &job.Result{}})
	f := b.post(t, "/api/jobs/done/cancel", "{}").problem(t, http.StatusConflict, "already_finished")
	if j, ok := f.Job.(map[string]any); !ok || j["status"] != "succeeded" || j["id"] != "done" {
		t.Errorf("job %v", f.Job)
	}
	if got := b.metric(t, "jobs_finished_total", "image", "canceled"); got != 2 {
		t.Errorf("%v cancellations counted, want 2", got)
	}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	b := setup(t)
	queued := b.push(t, imageSpec(job.OwnerAnonymous, "queued"))
	b.delete(t, "/api/jobs/"+queued.ID).problem(t, http.StatusConflict, "not_finished")
	done := imageSpec(job.OwnerAnonymous, "done")
	_, products := succeedJob(done)
	b.settle(t, done, &job.Record{Status: job.StatusSucceeded}, products...)
	b.get(t, "/api/jobs/done/media/0").expect(t, http.StatusOK)
	if resp := b.delete(t, "/api/jobs/done").expect(t, http.StatusNoContent); len(resp.body) > 0 {
		t.Errorf("body %q", resp.body)
	}
	b.get(t, "/api/jobs/done").problem(t, http.StatusNotFound, "not_found")
	b.get(t, "/api/jobs/done/media/0").problem(t, http.StatusNotFound, "not_found")
	b.delete(t, "/api/jobs/done").problem(t, http.StatusNotFound, "not_found")
}

func TestStopEndsLongPolls(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.push(t, imageSpec(job.OwnerAnonymous, "job-a"))
	statuses := make(chan int, 3)
	send := func(method, path string, body any, options ...option) {
		go func() { statuses <- b.request(t, method, path, body, options...).StatusCode }()
	}
	send(http.MethodGet, "/api/jobs/job-a?wait=60", nil)
	send(http.MethodPost, "/api/jobs", goodBody, preferWait(60))
	send(http.MethodPost, "/api/translate", fields{"text": "p"})
	eventually(t, "all jobs are in the queue", func() bool {
		ids := b.queued(t, job.OwnerAnonymous)
		return len(ids) == 3
	})
	b.stop(errors.New("stopping"))
	got := map[int]int{}
	for range 3 {
		select {
		case status := <-statuses:
			got[status]++
		case <-time.After(hang):
			t.Fatalf("still waiting; so far %v", got)
		}
	}
	// A request that has not begun to wait yet returns 503.
	for status := range got {
		switch status {
		case http.StatusOK, http.StatusAccepted, http.StatusGatewayTimeout, http.StatusServiceUnavailable:
		default:
			t.Errorf("statuses %v", got)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	if err := b.http.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

func TestBrokerUnavailable(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c, _ := guest()
	b.broker.Conn().Close()
	const canary = "canary-prompt-text"
	for _, r := range []struct{ method, path string }{
		{http.MethodPost, "/api/jobs"},
		{http.MethodGet, "/api/jobs"},
		{http.MethodGet, "/api/jobs/job-a"},
		{http.MethodGet, "/api/jobs/job-a?wait=1"},
		{http.MethodGet, "/api/jobs/job-a/events"},
		{http.MethodGet, "/api/jobs/job-a/media/0"},
		{http.MethodPost, "/api/jobs/job-a/cancel"},
		{http.MethodDelete, "/api/jobs/job-a"},
		{http.MethodGet, "/api/events"},
		{http.MethodGet, "/readyz"},
	} {
		var body any
		if r.method == http.MethodPost {
			body = fields{"kind": "prompt", "input": fields{"text": canary}}
		}
		resp := b.request(t, r.method, r.path, body, cookie(c))
		resp.problem(t, http.StatusServiceUnavailable, "unavailable")
		if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err != nil || seconds < 1 {
			t.Errorf("%s %s: Retry-After %q", r.method, r.path, resp.Header.Get("Retry-After"))
		}
	}
	for _, path := range originalRoutes {
		body := originalBody(path)
		body["text"], body["prompt"] = canary, canary
		b.post(t, path, body).originalError(t, http.StatusServiceUnavailable, "unavailable")
	}
	b.get(t, "/livez").expect(t, http.StatusOK)
	if log := b.log.String(); strings.Contains(log, canary) || strings.Contains(log, c.Value) || !strings.Contains(log, `"level":"WARN"`) {
		t.Errorf("log: %s", log)
	}
}
