package server_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// batchReply is a batch as a client reads it.
type batchReply struct {
	ID, Status  string
	Total       int
	Counts      map[string]int
	FinishedAt  string `json:"finished_at"`
	CanceledAt  string `json:"canceled_at"`
	RetriedFrom string `json:"retried_from"`
	Jobs        []struct {
		Index int
		ID    string
		Job   *view
	}
	Next  string `json:"next_cursor"`
	Links fields
}

// batchProblem is the error of a batch.
type batchProblem struct {
	Code, Detail string
	Lines        []struct {
		Index, Line  int
		Code, Detail string
		Errors       []struct{ Pointer, Code, Detail string }
	}
}

func (r *reply) batch(t testing.TB, status int) batchReply {
	t.Helper()
	var v batchReply
	r.expect(t, status).decode(t, &v)
	return v
}

var jsonLines = header("Content-Type", "application/jsonl")

// TestBatch submits a thousand jobs at once, reads, lists and cancels them, as their owner and as others.
func TestBatch(t *testing.T) {
	t.Parallel()
	b := setup(t)
	jar, owner := guest()
	ann, bob := cookie(jar), b.newMember(t, "bob@example.org")
	var lines strings.Builder
	for i := range 1000 {
		switch {
		case i%50 != 7:
			fmt.Fprintf(&lines, `{"kind":"image","input":{"prompt":"fox %d"}}`+"\n", i)
		case i < 500:
			lines.WriteString(`{"kind":"image","input":{"prompt":"a fox","width":-1,"colour":"red"}}` + "\r\n\n")
		default:
			lines.WriteString(`{"kind":` + "\n")
		}
	}
	var bad batchProblem
	b.post(t, "/api/batches", lines.String(), ann, jsonLines).expect(t, http.StatusBadRequest).decode(t, &bad)
	if bad.Code != "invalid_request" || bad.Detail != "Invalid jobs: 20 of 1000; none was accepted." || len(bad.Lines) != 20 {
		t.Fatalf("%+v", bad)
	}
	for i, line := range bad.Lines {
		// Each of the first ten is followed by a blank line.
		if line.Index != i*50+7 || line.Line != line.Index+1+min(i, 10) || line.Detail == "" {
			t.Errorf("%+v", line)
		}
		if i < 10 && (line.Code != "invalid_request" || len(line.Errors) != 2 || line.Errors[0].Pointer+line.Errors[1].Pointer != "/input/colour/input/width") {
			t.Errorf("%+v", line)
		}
		if i >= 10 && (line.Code != "invalid_json" || len(line.Errors) > 0) {
			t.Errorf("%+v", line)
		}
	}
	if ids, err := b.queue.OwnerIDs(t.Context(), owner); err != nil || len(ids) > 0 {
		t.Errorf("%d jobs were accepted, %v", len(ids), err)
	}

	good := fields{"jobs": make([]fields, 1000)}
	for i := range 1000 {
		good["jobs"].([]fields)[i] = fields{"kind": "image", "input": fields{"prompt": fmt.Sprint("fox ", i)}}
	}
	key := header("Idempotency-Key", "k")
	first := b.post(t, "/api/batches", good, ann, key)
	made := first.batch(t, http.StatusAccepted)
	if made.Status != "running" || made.Total != 1000 || made.Counts["queued"] != 1000 || first.Header.Get("Location") != "/api/batches/"+made.ID {
		t.Errorf("%+v", made)
	}
	again := b.post(t, "/api/batches", good, ann, key)
	if v := again.batch(t, http.StatusAccepted); v.ID != made.ID || again.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("repeated: %+v", v)
	}
	b.post(t, "/api/batches", `{"jobs":[`+imageBody+`]}`, ann, key).problem(t, http.StatusUnprocessableEntity, "idempotency_key_reused")
	path := "/api/batches/" + made.ID
	var ids []string
	for query := "?limit=100"; query != ""; {
		page := b.get(t, path+query, ann).batch(t, http.StatusOK)
		for _, j := range page.Jobs {
			if j.Index != len(ids) || j.Job.ID != j.ID || j.Job.Input["prompt"] != fmt.Sprint("fox ", j.Index) {
				t.Fatalf("%+v", j)
			}
			ids = append(ids, j.ID)
		}
		if query = ""; page.Next != "" {
			query = "?limit=100&cursor=" + page.Next
		}
	}
	if queued, err := b.queue.OwnerIDs(t.Context(), owner); err != nil || len(queued) != 1000 || len(ids) != 1000 {
		t.Errorf("%d listed, %d queued, %v", len(ids), len(queued), err)
	}

	// One job ends, and another is deleted after its end.
	b.endJob(t, owner, ids[3])
	b.endJob(t, owner, ids[4])
	b.request(t, http.MethodDelete, "/api/jobs/"+ids[4], nil, ann).expect(t, http.StatusNoContent)
	v := b.get(t, path+"?status=succeeded&status=removed", ann).batch(t, http.StatusOK)
	if v.Counts["succeeded"] != 1 || v.Counts["removed"] != 1 || v.Counts["queued"] != 998 || len(v.Jobs) != 2 || v.Jobs[0].Index != 3 || v.Jobs[1].Job != nil {
		t.Errorf("%+v", v)
	}
	for _, who := range []option{bob, cookie(must2(guest()))} {
		b.get(t, path, who).problem(t, http.StatusNotFound, "not_found")
		b.post(t, path+"/cancel", nil, who).problem(t, http.StatusNotFound, "not_found")
	}
	b.post(t, path+"/cancel", nil, ann).expect(t, http.StatusOK)
	// On a slow machine the cancel is not complete yet; it is repeated until it is.
	for v.Status != "finished" {
		v = b.post(t, path+"/cancel", nil, ann).batch(t, http.StatusOK)
	}
	if v.Counts["canceled"] != 998 || v.Counts["succeeded"] != 1 || v.CanceledAt == "" || v.FinishedAt == "" {
		t.Errorf("%+v", v)
	}
	if v := b.post(t, "/api/batches", good, ann, key).batch(t, http.StatusOK); v.ID != made.ID || v.Counts["canceled"] != 998 {
		t.Errorf("repeated after the end: %+v", v)
	}

	b.expectZip(t, path, ids, ann)
	for range 2 {
		again := b.post(t, path+"/retry", nil, ann, header("Idempotency-Key", "again")).batch(t, http.StatusAccepted)
		if again.Total != 998 || again.Counts["queued"] != 998 || again.RetriedFrom != made.ID || again.ID == made.ID {
			t.Errorf("retried: %+v", again)
		}
		page := b.get(t, "/api/batches/"+again.ID, ann).batch(t, http.StatusOK)
		if retried := page.Jobs[3].Job; retried.RetriedFrom != ids[5] || retried.Input["prompt"] != "fox 5" || retried.BatchID != again.ID {
			t.Errorf("retried: %+v", retried)
		}
		b.post(t, "/api/batches/"+again.ID+"/retry", nil, ann).problem(t, http.StatusConflict, "not_retryable")
	}

	small := b.post(t, "/api/batches", imageBody+"\n"+goodBody, ann, jsonLines).batch(t, http.StatusAccepted)
	var list struct {
		Batches []batchReply
		Next    string `json:"next_cursor"`
	}
	b.get(t, "/api/batches?limit=1", ann).expect(t, http.StatusOK).decode(t, &list)
	if len(list.Batches) != 1 || list.Batches[0].ID != small.ID || list.Next == "" {
		t.Errorf("%+v", list)
	}
	b.get(t, "/api/batches?limit=1&cursor="+list.Next, ann).expect(t, http.StatusOK).decode(t, &list)
	if len(list.Batches) != 1 || list.Batches[0].RetriedFrom != made.ID {
		t.Errorf("%+v", list)
	}
	b.get(t, "/api/batches?limit=1&cursor="+list.Next, ann).expect(t, http.StatusOK).decode(t, &list)
	if len(list.Batches) != 1 || list.Batches[0].ID != made.ID || list.Batches[0].Total != 1000 {
		t.Errorf("%+v", list)
	}
	b.get(t, "/api/batches?cursor=x", ann).problem(t, http.StatusBadRequest, "invalid_cursor")
	for body, code := range map[string]string{
		`{"jobs":[]}`: "invalid_request", `{"jobs":7}`: "invalid_request", `{}`: "invalid_request", `[`: "invalid_json",
		`{"jobs":[` + strings.Repeat(imageBody+",", 1000) + imageBody + `]}`: "invalid_request",
	} {
		b.post(t, "/api/batches", body, ann).problem(t, http.StatusBadRequest, code)
	}
	if p := b.post(t, "/api/batches", " \n", ann, jsonLines).problem(t, http.StatusBadRequest, "body_required"); !strings.Contains(p.Detail, "one job per line") {
		t.Errorf("%q", p.Detail)
	}
	b.post(t, "/api/batches", imageBody, ann, header("Content-Type", "text/csv")).problem(t, http.StatusUnsupportedMediaType, "unsupported_media_type")
}

// expectZip downloads the results of the batch, of which only the job with the index 3 has succeeded and that with 4 was deleted.
func (b *bundle) expectZip(t testing.TB, path string, ids []string, who option) {
	t.Helper()
	resp := b.get(t, path+"/results.zip", who).expect(t, http.StatusOK)
	archive, err := zip.NewReader(bytes.NewReader(resp.body), int64(len(resp.body)))
	must(t, err)
	content := make(map[string][]byte)
	for _, file := range archive.File {
		r, err := file.Open()
		must(t, err)
		content[file.Name], err = io.ReadAll(r)
		must(t, err)
	}
	var manifest struct {
		Batch batchReply
		Jobs  []struct {
			Index int
			ID    string
			Files []string
			Job   *view
		}
	}
	must(t, json.Unmarshal(content["manifest.json"], &manifest))
	if len(content) != 2 || string(content["0004-1-image.png"]) != "image of "+ids[3] || len(manifest.Jobs) != 1000 || manifest.Batch.Total != 1000 {
		t.Errorf("%d files, %d jobs, %+v", len(content), len(manifest.Jobs), manifest.Batch)
	}
	for i, j := range manifest.Jobs {
		if j.Index != i || j.ID != ids[i] || len(j.Files) > 0 != (i == 3) || (j.Job == nil) != (i == 4) {
			t.Errorf("%+v", j)
		}
	}
}

// endJob ends a queued job with one image, as a worker does.
func (b *bundle) endJob(t testing.TB, owner, id string) {
	t.Helper()
	entry, err := b.queue.FindLeader(t.Context(), owner, id)
	must(t, err)
	b.settle(t, entry.Spec, &job.Record{Status: job.StatusSucceeded}, store.Product{Media: job.Media{ContentType: "image/png"}, Data: []byte("image of " + id)})
}

func must2[A, B any](a A, _ B) A { return a }
