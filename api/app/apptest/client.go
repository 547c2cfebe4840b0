package apptest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/contracttest"
)

// readContract reads the contract once for all tests.
var readContract = sync.OnceValues(func() (*contracttest.Contract, error) {
	_, file, _, _ := runtime.Caller(0)
	return contracttest.Read(filepath.Join(filepath.Dir(file), "..", "..", "openapi.yaml"))
})

// Contract returns the contract of the API, openapi.yaml.
func Contract(t testing.TB) *contracttest.Contract {
	t.Helper()
	c, err := readContract()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Response is an HTTP response whose body has been read.
type Response struct {
	*http.Response
	Data []byte
}

// Decode decodes the body from JSON.
func (r Response) Decode(t testing.TB, into any) {
	t.Helper()
	if err := json.Unmarshal(r.Data, into); err != nil {
		t.Fatalf("decode %s: %v", r.Data, err)
	}
}

// Do sends a request, checks the response against the contract and returns it. A body that is not a []byte is encoded as
// JSON. A header is written as "Name: value".
func (p *Process) Do(t testing.TB, method, path string, body any, headers ...string) Response {
	t.Helper()
	var reader io.Reader
	if body != nil {
		encoded, ok := body.([]byte)
		if !ok {
			var err error
			if encoded, err = json.Marshal(body); err != nil {
				t.Fatalf("encode: %v", err)
			}
		}
		reader = bytes.NewReader(encoded)
	}
	ctx, cancel := context.WithTimeout(t.Context(), Hang)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, p.URL()+path, reader)
	if err != nil {
		t.Fatalf("request: %v", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if p.Cookie != "" {
		req.Header.Set("Cookie", p.Cookie)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := p.Client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	Contract(t).Check(t, req, resp, data)
	return Response{resp, data}
}

// Visit requests the page and keeps the guest cookie.
func (p *Process) Visit(t testing.TB) {
	t.Helper()
	resp := p.Do(t, http.MethodGet, "/", nil)
	for _, c := range resp.Cookies() {
		p.Cookie = c.Name + "=" + c.Value
	}
	if p.Cookie == "" {
		t.Fatal("the page sets no cookie")
	}
}

// Submit submits a job and fails the test unless it is accepted.
func (p *Process) Submit(t testing.TB, body any, headers ...string) Job {
	t.Helper()
	resp := p.Do(t, http.MethodPost, "/api/jobs", body, headers...)
	if resp.StatusCode != http.StatusAccepted && resp.StatusCode != http.StatusOK {
		t.Fatalf("submit: status %d: %s", resp.StatusCode, resp.Data)
	}
	var j Job
	resp.Decode(t, &j)
	return j
}

// Wait long-polls a job until it is finished.
func (p *Process) Wait(t testing.TB, id string) Job {
	t.Helper()
	for deadline := time.Now().Add(Hang); ; {
		resp := p.Do(t, http.MethodGet, "/api/jobs/"+id+"?wait=20", nil)
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("read: status %d: %s", resp.StatusCode, resp.Data)
		}
		var j Job
		resp.Decode(t, &j)
		if j.Finished() {
			return j
		}
		if time.Now().After(deadline) {
			t.Fatalf("job did not finish: %s", resp.Data)
		}
	}
}

// Job is a job as a client reads it.
type Job struct {
	ID            string `json:"id"`
	Kind          string `json:"kind"`
	Status        string `json:"status"`
	CreatedAt     string `json:"created_at"`
	FinishedAt    string `json:"finished_at"`
	Attempt       int    `json:"attempt"`
	QueuePosition *int   `json:"queue_position"`
	Progress      int    `json:"progress"`
	Cancel        string `json:"cancel"`
	Cached        bool   `json:"cached"`
	PartialText   string `json:"partial_text"`
	Result        *struct {
		Text   string `json:"text"`
		Prompt *struct {
			Original  string `json:"original"`
			Optimized string `json:"optimized"`
		} `json:"prompt"`
		Media   []Media `json:"media"`
		Missing []struct {
			Index int `json:"index"`
			Error struct {
				Code string `json:"code"`
			} `json:"error"`
		} `json:"missing"`
	} `json:"result"`
	Error *struct {
		Code string `json:"code"`
	} `json:"error"`
}

// Media is an image or audio file of a result.
type Media struct {
	URL         string `json:"url"`
	ContentType string `json:"content_type"`
	Bytes       int    `json:"bytes"`
	SHA256      string `json:"sha256"`
	Width       int    `json:"width"`
	Height      int    `json:"height"`
	Seed        *int64 `json:"seed"`
}

// Finished reports whether the job is in a final state.
func (j Job) Finished() bool {
	return j.Status == "succeeded" || j.Status == "failed" || j.Status == "canceled"
}

// Path returns the path of a resource of the job, such as "events".
func (j Job) Path(rest string) string { return "/api/jobs/" + j.ID + "/" + rest }
