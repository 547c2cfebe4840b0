package client_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/client"
)

// TestBatch submits a batch although the first response is lost, waits for it, reads its jobs by page and downloads its results.
func TestBatch(t *testing.T) {
	t.Parallel()
	reply := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	s := serve(t,
		reply(http.StatusBadGateway, ""),
		reply(http.StatusAccepted, `{"id":"b","status":"running","total":2,"counts":{"queued":2}}`),
		reply(http.StatusOK, `{"id":"b","status":"running"}`),
		reply(http.StatusOK, `{"id":"b","status":"finished","counts":{"succeeded":1,"failed":1}}`),
		reply(http.StatusOK, `{"jobs":[{"index":0,"id":"j0","job":{"id":"j0","status":"succeeded"}}],"next_cursor":"c"}`),
		reply(http.StatusOK, `{"jobs":[{"index":1,"id":"j1"}]}`),
		reply(http.StatusOK, "a ZIP file"),
		reply(http.StatusBadRequest, `{"code":"invalid_request","detail":"no","lines":[{"index":7,"code":"invalid_request","detail":"too long"}]}`),
	)
	c, _ := s.dial(t)
	jobs := []client.Request{{Kind: "image", Input: client.Input{Prompt: "a fox"}}, {Kind: "prompt", Input: client.Input{Text: "a fox"}}}
	b, err := c.SubmitBatch(t.Context(), jobs)
	if err != nil || b.ID != "b" || b.Ended() || b.Counts["queued"] != 2 {
		t.Fatalf("%+v, %v", b, err)
	}
	if seen := s.requests(); seen[0].Header.Get("Idempotency-Key") == "" || seen[0].Header.Get("Idempotency-Key") != seen[1].Header.Get("Idempotency-Key") {
		t.Error("the repeated request has another key")
	}
	if b, err = c.WaitBatch(t.Context(), "b"); err != nil || !b.Ended() || b.Counts["failed"] != 1 {
		t.Errorf("%+v, %v", b, err)
	}
	n := 0
	for j, err := range c.BatchJobs(t.Context(), "b") {
		if err != nil || j.Index != n || (j.Job != nil) != (n == 0) {
			t.Errorf("%+v, %v", j, err)
		}
		n++
	}
	var results bytes.Buffer
	if err := c.DownloadBatch(t.Context(), "b", &results); err != nil || results.String() != "a ZIP file" || n != 2 {
		t.Errorf("%q, %d jobs, %v", results.String(), n, err)
	}
	var p *client.Problem
	if _, err := c.SubmitBatch(t.Context(), jobs); !errors.As(err, &p) || len(p.Lines) != 1 || p.Lines[0].Index != 7 {
		t.Errorf("%+v, %v", p, err)
	}
}
