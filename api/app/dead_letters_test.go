package app_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/app/apptest"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
)

const operatorHeader = "X-Admin-Key: the operator's own"

// deadLetterPage is a page of dead letters.
type deadLetterPage struct {
	Letters []deadLetter `json:"dead_letters"`
	Total   int          `json:"total"`
}

type deadLetter struct {
	ID       string `json:"id"`
	Owner    string `json:"owner"`
	Failures int    `json:"failures"`
	Detail   string `json:"detail"`
	Error    struct {
		Code           string `json:"code"`
		UpstreamStatus int    `json:"upstream_status"`
	} `json:"error"`
	Input fields `json:"input"`
}

func (i *instance) listDeadLetters(t testing.TB, query string) deadLetterPage {
	t.Helper()
	var list deadLetterPage
	i.Do(t, http.MethodGet, "/api/admin/dead-letters"+query, nil, operatorHeader).Decode(t, &list)
	return list
}

// failImages makes the upstream fail for every image whose prompt contains word.
func (i *instance) failImages(t testing.TB, word string) {
	t.Helper()
	rule := simulator.Rule{
		Kind: simulator.KindImage, Contains: word, Status: http.StatusInternalServerError,
		Body: `{"success":false,"error":{"message":"No active flux servers available","code":"INTERNAL_ERROR"},"status":500}`,
	}
	if err := i.Simulator().Script(rule); err != nil {
		t.Fatal(err)
	}
}

func imageJob(prompt string) fields {
	return fields{"kind": "image", "input": fields{"prompt": prompt, "width": 64, "height": 64, "seed": 7}}
}

type retriedJob struct {
	apptest.Job
	RetriedFrom string `json:"retried_from"`
}

// TestDeadLetterReplay replays a failed job from the dead letters until it succeeds.
func TestDeadLetterReplay(t *testing.T) {
	t.Parallel()
	metrics := freeAddress(t)
	i := start(t, apptest.Config(t, t.TempDir(), "ADMIN_KEY=the operator's own", "FETCH_RETRY_MAX=2", "METRICS_ENABLED=on", "METRICS_ADDR="+metrics))
	i.Visit(t)
	i.failImages(t, "doomed")
	failed := i.Wait(t, i.Submit(t, imageJob("doomed fox")).ID)
	if failed.Status != "failed" || failed.Error.Code != "upstream_unavailable" {
		t.Fatalf("%+v", failed)
	}
	i.awaitDeadLetter(t, failed.ID, operatorHeader)
	list := i.listDeadLetters(t, "")
	if list.Total != 1 || list.Letters[0].ID != failed.ID || list.Letters[0].Failures != 2 || list.Letters[0].Error.UpstreamStatus != 500 {
		t.Fatalf("%+v", list)
	}
	var letter deadLetter
	i.Do(t, http.MethodGet, "/api/admin/dead-letters/"+failed.ID, nil, operatorHeader).Decode(t, &letter)
	if letter.Input["prompt"] != "doomed fox" || !strings.Contains(letter.Detail, "No active flux servers") || !strings.HasPrefix(letter.Owner, "g-") {
		t.Errorf("%+v", letter)
	}
	// A scrape of a busy process does without what NATS does not answer in time.
	for end := time.Now().Add(hang); ; {
		got := i.scrape(t, metrics)
		if strings.Contains(got, "text2image_dead_letter_depth 1") && strings.Contains(got, `text2image_dead_letters_total{kind="image",reason="upstream_unavailable"} 1`) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("metrics: %s", got)
		}
	}

	// While the upstream fails, the new job fails too and gets its own dead letter.
	replay := func(id string) retriedJob {
		t.Helper()
		resp := i.Do(t, http.MethodPost, "/api/admin/dead-letters/"+id+"/replay", nil, operatorHeader)
		if resp.StatusCode != http.StatusAccepted {
			t.Fatalf("replay: %d %s", resp.StatusCode, resp.Data)
		}
		var v retriedJob
		resp.Decode(t, &v)
		return v
	}
	second := replay(failed.ID)
	if v := i.Wait(t, second.ID); v.Status != "failed" || second.RetriedFrom != failed.ID {
		t.Errorf("%+v", v)
	}
	// It follows the record.
	i.awaitDeadLetter(t, second.ID, operatorHeader)
	if list := i.listDeadLetters(t, ""); list.Total != 1 || list.Letters[0].ID != second.ID {
		t.Errorf("%+v", list)
	}
	i.Simulator().Clear()
	// The call hangs until the response has arrived: the replay of a job that finishes at once returns 200.
	if err := i.Simulator().Script(simulator.Rule{Kind: simulator.KindImage, Hold: true}); err != nil {
		t.Fatal(err)
	}
	third := replay(second.ID)
	i.Simulator().Release()
	if v := i.Wait(t, third.ID); v.Status != "succeeded" || *v.Result.Media[0].Seed != 7 || third.RetriedFrom != second.ID {
		t.Errorf("%+v", v)
	}
	if list := i.listDeadLetters(t, ""); list.Total != 0 {
		t.Errorf("%+v", list)
	}
	for _, id := range []string{failed.ID, second.ID} {
		var old apptest.Job
		i.Do(t, http.MethodGet, "/api/jobs/"+id, nil).Decode(t, &old)
		if old.Status != "failed" {
			t.Errorf("the old job is %+v", old)
		}
	}
	if resp := i.Do(t, http.MethodPost, "/api/admin/dead-letters/"+failed.ID+"/replay", nil, operatorHeader); resp.StatusCode != http.StatusNotFound {
		t.Errorf("a second replay: %d %s", resp.StatusCode, resp.Data)
	}
}

func TestDeadLetterBulkActions(t *testing.T) {
	t.Parallel()
	i := start(t, apptest.Config(t, t.TempDir(), "ADMIN_KEY=the operator's own", "FETCH_RETRY_MAX=1", "MAX_ACTIVE_JOBS_GUEST=0"))
	i.Visit(t)
	i.failImages(t, "doomed")
	const jobs = 12
	ids := make([]string, jobs)
	for n := range jobs {
		ids[n] = i.Submit(t, imageJob(fmt.Sprintf("doomed %d", n))).ID
	}
	for _, id := range ids {
		if v := i.Wait(t, id); v.Status != "failed" {
			t.Fatalf("%+v", v)
		}
	}
	i.Simulator().Clear()
	type result struct {
		Done, Skipped int
		Next          string `json:"next_cursor"`
	}
	bulk := func(action string, body fields) result {
		t.Helper()
		resp := i.Do(t, http.MethodPost, "/api/admin/dead-letters/"+action, body, operatorHeader)
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %s", action, resp.StatusCode, resp.Data)
		}
		var a result
		resp.Decode(t, &a)
		return a
	}
	if a := bulk("purge", fields{"all": true, "limit": 2}); a.Done != 2 || a.Next == "" {
		t.Errorf("%+v", a)
	}
	if a := bulk("replay", fields{"kind": "image", "code": "upstream_unavailable"}); a.Done != jobs-2 || a.Next != "" {
		t.Errorf("%+v", a)
	}
	var page struct {
		Jobs []retriedJob `json:"jobs"`
	}
	i.Do(t, http.MethodGet, "/api/jobs?limit=100", nil).Decode(t, &page)
	replayed := 0
	for _, j := range page.Jobs {
		if j.RetriedFrom == "" {
			continue
		}
		replayed++
		if v := i.Wait(t, j.ID); v.Status != "succeeded" {
			t.Errorf("%+v", v)
		}
	}
	if replayed != jobs-2 || i.listDeadLetters(t, "").Total != 0 {
		t.Errorf("%d new jobs, %d dead letters left", replayed, i.listDeadLetters(t, "").Total)
	}
}

func TestAdminRoutesRequireKey(t *testing.T) {
	t.Parallel()
	withoutKey := start(t, apptest.Config(t, t.TempDir()))
	withKey := start(t, apptest.Config(t, t.TempDir(), "ADMIN_KEY=the operator's own"))
	for n, request := range []struct {
		method, path string
		body         any
	}{
		{"GET", "/api/admin/dead-letters", nil},
		{"GET", "/api/admin/dead-letters/x", nil},
		{"DELETE", "/api/admin/dead-letters/x", nil},
		{"POST", "/api/admin/dead-letters/x/replay", nil},
		{"POST", "/api/admin/dead-letters/replay", fields{"all": true}},
		{"POST", "/api/admin/dead-letters/purge", fields{"all": true}},
	} {
		wrong := []string{"X-Admin-Key: the wrong key", "Authorization: Bearer the wrong key"}[n%2]
		for _, try := range []struct {
			i       *instance
			headers []string
			status  int
		}{
			{withoutKey, []string{operatorHeader}, http.StatusForbidden},
			{withKey, nil, http.StatusUnauthorized},
			{withKey, []string{wrong}, http.StatusUnauthorized},
		} {
			if resp := try.i.Do(t, request.method, request.path, request.body, try.headers...); resp.StatusCode != try.status {
				t.Errorf("%s %s with %v: %d %s", request.method, request.path, try.headers, resp.StatusCode, resp.Data)
			}
		}
	}
}

func TestOwnerRetriesJob(t *testing.T) {
	t.Parallel()
	i := start(t, apptest.Config(t, t.TempDir(), "FETCH_RETRY_MAX=1"))
	i.Visit(t)
	mine := i.Cookie
	i.failImages(t, "doomed")
	failed := i.Wait(t, i.Submit(t, imageJob("doomed fox")).ID)
	i.Simulator().Clear()
	path := "/api/jobs/" + failed.ID + "/retry"
	// Without a cookie, or with that of another guest, the job is not found.
	for _, cookie := range []string{"", "another"} {
		i.Cookie = ""
		if cookie != "" {
			i.Visit(t)
		}
		if resp := i.Do(t, http.MethodPost, path, nil); resp.StatusCode != http.StatusNotFound {
			t.Errorf("another caller: %d %s", resp.StatusCode, resp.Data)
		}
	}
	i.Cookie = mine
	var ids []string
	for range 2 {
		resp := i.Do(t, http.MethodPost, path, nil, "Idempotency-Key: click", "Prefer: wait=30")
		var v retriedJob
		resp.Decode(t, &v)
		if resp.StatusCode != http.StatusOK || v.Status != "succeeded" || v.RetriedFrom != failed.ID || *v.Result.Media[0].Seed != 7 {
			t.Fatalf("%d %s", resp.StatusCode, resp.Data)
		}
		ids = append(ids, v.ID)
	}
	if ids[0] != ids[1] {
		t.Errorf("two clicks created %v", ids)
	}
	resp := i.Do(t, http.MethodPost, path, fields{"seed": 8, "deadline_seconds": 60})
	var other retriedJob
	resp.Decode(t, &other)
	if v := i.Wait(t, other.ID); resp.StatusCode != http.StatusAccepted || v.Status != "succeeded" || *v.Result.Media[0].Seed != 8 {
		t.Errorf("%d %s, then %+v", resp.StatusCode, resp.Data, v)
	}
	for _, bad := range []struct {
		path   string
		body   any
		status int
	}{
		{path, fields{"prompt": "other"}, 400},
		{path, []byte("["), 400},
		{"/api/jobs/" + other.ID + "/retry", nil, 409},
		{"/api/jobs/nothing/retry", nil, 404},
	} {
		if resp := i.Do(t, http.MethodPost, bad.path, bad.body); resp.StatusCode != bad.status {
			t.Errorf("%s %v: %d %s", bad.path, bad.body, resp.StatusCode, resp.Data)
		}
	}
}

// freeAddress returns an address with an unused port.
func freeAddress(t testing.TB) string {
	t.Helper()
	return fmt.Sprint("127.0.0.1:", brokertest.FreePort(t))
}

// scrape returns the metrics.
func (i *instance) scrape(t testing.TB, address string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := i.Client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// awaitDeadLetter waits until a failed job has its dead letter, which is stored after the record that clients read.
func (i *instance) awaitDeadLetter(t testing.TB, id, header string) apptest.Response {
	t.Helper()
	for deadline := time.Now().Add(hang); ; {
		resp := i.Do(t, http.MethodGet, "/api/admin/dead-letters/"+id, nil, header)
		if resp.StatusCode != http.StatusNotFound || time.Now().After(deadline) {
			return resp
		}
	}
}
