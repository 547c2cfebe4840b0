package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// submitFeedback gives feedback as a new member and returns its id.
func (p *program) submitFeedback(t *testing.T, email, category, content string) string {
	t.Helper()
	var made struct {
		ID string `json:"feedbackId"`
	}
	p.create(t, "/api/feedback", p.signUp(t, email), map[string]any{"category": category, "content": content}, &made)
	return made.ID
}

// signUp creates an account and returns its token.
func (p *program) signUp(t *testing.T, email string) string {
	t.Helper()
	var member struct{ Token string }
	p.create(t, "/api/auth/register", "", map[string]any{"username": "Ann", "email": email, "password": "correct horse"}, &member)
	return member.Token
}

// create sends a body and decodes what it has created.
func (p *program) create(t *testing.T, path, token string, body map[string]any, into any) {
	t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+path, strings.NewReader(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil || resp.StatusCode != http.StatusCreated {
		t.Fatalf("%s: %d, %v", path, resp.StatusCode, err)
	}
}

func TestFeedbackCommand(t *testing.T) {
	t.Parallel()
	p := startAPI(t, t.TempDir(), "ADMIN_KEY="+operatorKey, "PBKDF2_ITERATIONS=600000")
	if got := p.mustRun(t, "feedback", "list"); got != "0 in total: 0 pending, 0 processed; 0 today\n" {
		t.Errorf("list: %s", got)
	}
	first, second := p.submitFeedback(t, "ann@example.org", "bug", "It\nbreaks \x1b[31m\u202e."), p.submitFeedback(t, "bob@example.org", "other", "Thanks")
	list := p.mustRun(t, "feedback", "list")
	for _, part := range []string{"  pending  bug  ann@example.org  " + first + "\n    It\n    breaks [31m·.\n", "Thanks", "2 in total: 2 pending, 0 processed; 2 today\n"} {
		if !strings.Contains(list, part) {
			t.Errorf("no %q in %s", part, list)
		}
	}
	page := p.mustRun(t, "feedback", "list", "--limit", "1", "--since", "1h")
	_, cursor, found := strings.Cut(strings.TrimSpace(page), "next page: --cursor ")
	if !found || !strings.Contains(page, second) || strings.Contains(page, first) {
		t.Fatalf("a page: %s", page)
	}
	if got := p.mustRun(t, "feedback", "list", "--cursor", cursor); !strings.Contains(got, first) || strings.Contains(got, second) {
		t.Errorf("the next page: %s", got)
	}
	if got := p.mustRun(t, "feedback", "processed", first, second); got != "marked as processed "+first+"\nmarked as processed "+second+"\n" {
		t.Errorf("processed: %s", got)
	}
	if got := p.mustRun(t, "feedback", "pending", second); got != "marked as pending "+second+"\n" {
		t.Errorf("pending: %s", got)
	}
	if got := p.mustRun(t, "feedback", "list", "--status", "processed", "--category", "bug", "-o", "json"); !strings.Contains(got, first) || strings.Contains(got, second) || !strings.Contains(got, `"processed": 1`) {
		t.Errorf("json: %s", got)
	}
	if got := p.mustRun(t, "feedback", "delete", first); got != "deleted "+first+"\n" {
		t.Errorf("delete: %s", got)
	}
	exit, _, stderr := p.command(t, "feedback", "delete", first, second)
	if exit != exitFailure || !strings.Contains(stderr, "The feedback does not exist") || !strings.Contains(stderr, "1 of 2 were not deleted") {
		t.Errorf("exit %d: %s", exit, stderr)
	}
	if exit, _, stderr := p.command(t, "feedback", "list", "--status", "odd"); exit != exitFailure || !strings.Contains(stderr, "status must be one of: pending, processed (invalid_request)") {
		t.Errorf("exit %d: %s", exit, stderr)
	}
	for _, args := range [][]string{{"feedback"}, {"feedback", "odd"}, {"feedback", "list", "x"}, {"feedback", "processed"}, {"feedback", "delete", "../x"}} {
		if exit, _, stderr := p.command(t, args...); exit != exitUsage || stderr == "" {
			t.Errorf("%v: exit %d, %s", args, exit, stderr)
		}
	}
	if exit, stdout, _ := p.command(t, "feedback", "-h"); exit != 0 || !strings.Contains(stdout, "usage: api feedback") {
		t.Errorf("help: exit %d, %s", exit, stdout)
	}
}
