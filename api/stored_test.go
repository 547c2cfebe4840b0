package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"slices"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
)

// storedData is what was put into a store through the API, and is expected to be read from it by another version.
type storedData struct {
	// Commit is the commit of the program that wrote a stored file.
	Commit   string `json:"commit,omitempty"`
	Email    string `json:"email"`
	Password string `json:"password"`
	// Token is the token of a session.
	Token string      `json:"token,omitempty"`
	Jobs  []storedJob `json:"jobs"`
	// Waiting is a job whose kind is paused.
	Waiting string `json:"waiting"`
	// Key is the idempotency key of the first job.
	Key      string `json:"key"`
	Feedback string `json:"feedback"`
	// Image is a saved image, and Bytes the SHA-256 of its bytes.
	Image string `json:"image"`
	Bytes string `json:"bytes"`
}

type storedJob struct {
	ID     string         `json:"id"`
	Kind   string         `json:"kind"`
	Input  map[string]any `json:"input"`
	Status string         `json:"status"`
	// Code is the error code of a failed job.
	Code string `json:"code,omitempty"`
	// Text is the text of the result, and Media the SHA-256 of its files.
	Text  string   `json:"text,omitempty"`
	Media []string `json:"media,omitempty"`
}

const (
	storedAdminKey = "operator-of-the-kept-store"
	storedKind     = "translation"
)

// apiClient is a client of a program, with the token of a user or operator.
type apiClient struct {
	url   string
	token string
}

// call sends a request, decodes the response and returns its status. It fails the test if there is no response.
func (s apiClient) call(ctx context.Context, t *testing.T, method, path string, body, into any, headers ...string) int {
	t.Helper()
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		content = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, s.url+path, content)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if s.token != "" {
		req.Header.Set("Authorization", "Bearer "+s.token)
	}
	for n := 0; n < len(headers); n += 2 {
		req.Header.Set(headers[n], headers[n+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	response, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	switch v := into.(type) {
	case nil:
	case *[]byte:
		*v = response
	default:
		if err := json.Unmarshal(response, into); err != nil {
			t.Fatalf("%s %s: status %d: %s", method, path, resp.StatusCode, response)
		}
	}
	if resp.StatusCode > 399 {
		t.Logf("%s %s: status %d: %.300s", method, path, resp.StatusCode, response)
	}
	return resp.StatusCode
}

func (s apiClient) must(ctx context.Context, t *testing.T, status int, method, path string, body, into any, headers ...string) {
	t.Helper()
	if got := s.call(ctx, t, method, path, body, into, headers...); got != status {
		t.Fatalf("%s %s: status %d, want %d", method, path, got, status)
	}
}

// awaitJob waits for the end of a job and returns what is to be read of it.
func (s apiClient) awaitJob(ctx context.Context, t *testing.T, id string) storedJob {
	t.Helper()
	for {
		var v jobView
		s.must(ctx, t, http.StatusOK, http.MethodGet, "/api/jobs/"+id+"?wait=20", nil, &v)
		if v.FinishedAt == "" {
			continue
		}
		j := storedJob{ID: v.ID, Kind: v.Kind, Input: v.Input, Status: v.Status, Text: v.Result.Text}
		if v.Error != nil {
			j.Code = v.Error.Code
		}
		for _, m := range v.Result.Media {
			var data []byte
			s.must(ctx, t, http.StatusOK, http.MethodGet, m.URL, nil, &data)
			if hash := hashOf(data); hash != m.SHA256 {
				t.Errorf("%s has SHA-256 %s, want %s", m.URL, hash, m.SHA256)
			}
			j.Media = append(j.Media, m.SHA256)
		}
		return j
	}
}

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func login(ctx context.Context, t *testing.T, s apiClient, w storedData) string {
	t.Helper()
	var session struct {
		Token string `json:"token"`
	}
	s.token = ""
	s.must(ctx, t, http.StatusOK, http.MethodPost, "/api/auth/login", map[string]any{"email": w.Email, "password": w.Password}, &session)
	return session.Token
}

// checkStored reads everything back through the API of a program. Saved images are left out where the clock is not that of the
// program which saved them: they can be read for a day.
func checkStored(ctx context.Context, t *testing.T, p *program, w storedData, images bool) {
	t.Helper()
	operator := apiClient{url: p.url, token: storedAdminKey}
	member := apiClient{url: p.url}
	member.token = login(ctx, t, member, w)
	if w.Token != "" {
		apiClient{url: p.url, token: w.Token}.must(ctx, t, http.StatusOK, http.MethodGet, "/api/auth/validate", nil, nil)
	}
	for _, want := range w.Jobs {
		if got := member.awaitJob(ctx, t, want.ID); !reflect.DeepEqual(got, want) {
			t.Errorf("a job is\n%+v, want\n%+v", got, want)
		}
		if want.Status == "failed" {
			operator.must(ctx, t, http.StatusOK, http.MethodGet, "/api/admin/dead-letters/"+want.ID, nil, nil)
		}
	}
	var again jobView
	first := w.Jobs[0]
	member.must(ctx, t, http.StatusOK, http.MethodPost, "/api/jobs",
		map[string]any{"kind": first.Kind, "input": map[string]any{"prompt": first.Input["prompt"], "width": 64, "height": 64}}, &again,
		"Idempotency-Key", w.Key)
	if again.ID != first.ID {
		t.Errorf("the same request with the same key became the job %s, want %s", again.ID, first.ID)
	}
	var list struct {
		Jobs []jobView `json:"jobs"`
	}
	member.must(ctx, t, http.StatusOK, http.MethodGet, "/api/jobs", nil, &list)
	for _, id := range []string{w.Jobs[0].ID, w.Jobs[1].ID, w.Jobs[2].ID, w.Waiting} {
		if !slices.ContainsFunc(list.Jobs, func(j jobView) bool { return j.ID == id }) {
			t.Errorf("job %s is missing in the list", id)
		}
	}
	var given struct {
		Feedbacks []struct {
			Content string `json:"content"`
		} `json:"feedbacks"`
	}
	member.must(ctx, t, http.StatusOK, http.MethodGet, "/api/feedback/my", nil, &given)
	if len(given.Feedbacks) != 1 || given.Feedbacks[0].Content != w.Feedback {
		t.Errorf("feedback is %+v", given)
	}
	if !images {
		return
	}
	var image struct {
		Data string `json:"data"`
	}
	member.must(ctx, t, http.StatusOK, http.MethodGet, "/api/images/"+w.Image, nil, &image)
	if data, err := base64.StdEncoding.DecodeString(image.Data); err != nil || hashOf(data) != w.Bytes {
		t.Errorf("the saved image has SHA-256 %s, want %s (%v)", hashOf(data), w.Bytes, err)
	}
}

// checkWaiting has the waiting jobs worked.
func checkWaiting(ctx context.Context, t *testing.T, p *program, all ...storedData) {
	t.Helper()
	operator := apiClient{url: p.url, token: storedAdminKey}
	var state struct {
		Kinds []struct {
			Kind   string `json:"kind"`
			Paused bool   `json:"paused"`
		} `json:"kinds"`
	}
	operator.must(ctx, t, http.StatusOK, http.MethodGet, "/api/admin/control", nil, &state)
	paused := false
	for _, k := range state.Kinds {
		paused = paused || (k.Kind == storedKind && k.Paused)
	}
	if !paused {
		t.Errorf("%s is not paused", storedKind)
	}
	operator.must(ctx, t, http.StatusOK, http.MethodPost, "/api/admin/kinds/"+storedKind+"/resume", nil, nil)
	for _, w := range all {
		member := apiClient{url: p.url}
		member.token = login(ctx, t, member, w)
		if got := member.awaitJob(ctx, t, w.Waiting); got.Status != "succeeded" || got.Text == "" {
			t.Errorf("the waiting job is %+v", got)
		}
	}
}

// TestKeptStore opens a store that an earlier release wrote. TestKeepStore creates it.
func TestKeptStore(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	dir, description := brokertest.KeptStore(t)
	var w storedData
	if err := json.Unmarshal(description, &w); err != nil {
		t.Fatal(err)
	}
	p := startAPI(t, dir, "ADMIN_KEY="+storedAdminKey)
	checkStored(ctx, t, p, w, false)
	checkWaiting(ctx, t, p, w)
	p.stop(t)
	p = startAPI(t, dir, "ADMIN_KEY="+storedAdminKey)
	checkStored(ctx, t, p, w, false)
	p.stop(t)
}
