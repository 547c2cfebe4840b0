package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const operatorKey = "the-operator-key"

// failJobs has jobs fail for good, and returns their ids, the oldest first.
func (p *program) failJobs(t *testing.T, jobs int) []string {
	t.Helper()
	rule := map[string]any{"kind": "chat", "contains": "doomed", "status": 400, "body": `{"error":{"message":"the upstream's words"}}`}
	if _, status, err := request(t.Context(), http.DefaultClient, http.MethodPost, p.simulator+"/_control/rules", rule); status/100 != 2 {
		t.Fatalf("script: %d, %v", status, err)
	}
	var ids []string
	for n := range jobs {
		body := map[string]any{"kind": "prompt", "input": map[string]any{"text": fmt.Sprintf("doomed %d", n)}}
		v, status, err := request(t.Context(), http.DefaultClient, http.MethodPost, p.url+"/api/jobs", body)
		if err != nil || status != http.StatusAccepted {
			t.Fatalf("submit: %d, %v", status, err)
		}
		for v.FinishedAt == "" {
			if v, _, err = request(t.Context(), http.DefaultClient, http.MethodGet, p.url+"/api/jobs/"+v.ID+"?wait=30", nil); err != nil {
				t.Fatal(err)
			}
		}
		if v.Status != "failed" {
			t.Fatalf("%+v", v)
		}
		// The dead letter is stored after the record.
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
			if exit, _, _ := p.command(t, "dead", "show", v.ID); exit == 0 {
				break
			}
		}
		ids = append(ids, v.ID)
	}
	return ids
}

// command runs a command against the program and returns its output.
func (p *program) command(t *testing.T, args ...string) (exit int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	environ := []string{"ADMIN_KEY=" + operatorKey, "LISTEN_ADDR=" + strings.TrimPrefix(p.url, "http://")}
	exit = run(t.Context(), args, environ, &out, &errs)
	return exit, out.String(), errs.String()
}

// mustRun runs a command that has to succeed.
func (p *program) mustRun(t *testing.T, args ...string) string {
	t.Helper()
	exit, stdout, stderr := p.command(t, args...)
	if exit != 0 {
		t.Fatalf("api %v: exit %d: %s%s", args, exit, stdout, stderr)
	}
	return stdout
}

func TestDeadCommand(t *testing.T) {
	t.Parallel()
	p := startAPI(t, t.TempDir(), "ADMIN_KEY="+operatorKey, "FETCH_RETRY_MAX=1")
	if got := p.mustRun(t, "dead", "list"); got != "no dead letters\n" {
		t.Errorf("list: %s", got)
	}
	ids := p.failJobs(t, 6)
	list := p.mustRun(t, "dead", "list", "--limit", "4", "--kind", "prompt,image")
	lines := strings.Split(list, "\n")
	if !strings.HasPrefix(lines[0], "FAILED") || !strings.Contains(lines[1], ids[5]) || !strings.Contains(lines[4], ids[2]) ||
		!strings.Contains(lines[1], "upstream_rejected") || lines[5] != "4 of 6" {
		t.Errorf("list: %s", list)
	}
	_, cursor, _ := strings.Cut(strings.TrimSpace(lines[6]), "--cursor ")
	if rest := p.mustRun(t, "dead", "list", "--cursor", cursor); !strings.Contains(rest, ids[1]) || strings.Contains(rest, ids[2]) {
		t.Errorf("with a cursor: %s", rest)
	}
	if got := p.mustRun(t, "dead", "list", "--since", "2100-01-01T00:00:00Z"); got != "no dead letters\n" {
		t.Errorf("since now: %s", got)
	}
	var page deadLetterPage
	if err := json.Unmarshal([]byte(p.mustRun(t, "dead", "list", "-o", "json", "--code", "upstream_rejected", "--since=1h", "--owner", "guest")), &page); err != nil || page.Total != 6 {
		t.Errorf("%+v, %v", page, err)
	}
	shown := p.mustRun(t, "dead", "show", ids[0])
	for _, want := range []string{ids[0], `{"text":"doomed 0"}`, "the upstream's words", "upstream_rejected", "can be replayed"} {
		if !strings.Contains(shown, want) {
			t.Errorf("show: no %q in %s", want, shown)
		}
	}
	var letter deadLetter
	if err := json.Unmarshal([]byte(p.mustRun(t, "dead", "show", ids[0], "-o", "json")), &letter); err != nil || letter.ID != ids[0] || len(letter.Input) == 0 {
		t.Errorf("%+v, %v", letter, err)
	}

	// An unknown ID does not prevent the others from being purged.
	exit, stdout, stderr := p.command(t, "dead", "purge", ids[0], "nothing", ids[1])
	if exit != exitFailure || stdout != "purged "+ids[0]+"\npurged "+ids[1]+"\n" || !strings.Contains(stderr, "nothing: ") || !strings.Contains(stderr, "(not_found)") {
		t.Errorf("purge: exit %d: %s%s", exit, stdout, stderr)
	}
	// A replayed job fails again and must not be replayed by the same command.
	if got := p.mustRun(t, "dead", "replay", "--all", "--limit", "1"); got != "replayed 1\n" {
		t.Errorf("replay one: %s", got)
	}
	if got := p.mustRun(t, "dead", "replay", "--all", "--kind", "prompt", "-o", "json"); !strings.Contains(got, `"done": `) {
		t.Errorf("replay all: %s", got)
	}
	var outcomes []outcome
	again := p.failJobs(t, 1)
	if err := json.Unmarshal([]byte(p.mustRun(t, "dead", "replay", "-o=json", again[0])), &outcomes); err != nil || len(outcomes) != 1 || outcomes[0].NewJobID == "" {
		t.Errorf("%+v, %v", outcomes, err)
	}
	if v, _, err := request(t.Context(), http.DefaultClient, http.MethodGet, p.url+"/api/jobs/"+outcomes[0].NewJobID+"?wait=30", nil); err != nil || v.Status != "failed" {
		t.Errorf("%+v, %v", v, err)
	}
	p.mustRun(t, "dead", "purge", "--all")

	exit, _, stderr = p.command(t, "dead", "list", "--url", p.url, "--kind", "video")
	if exit != exitFailure || !strings.Contains(stderr, "(invalid_request)") {
		t.Errorf("a bad kind: exit %d: %s", exit, stderr)
	}
	var errs bytes.Buffer
	if exit := run(t.Context(), []string{"dead", "list"}, []string{"ADMIN_KEY=somebody else's", "API_URL=" + p.url}, &bytes.Buffer{}, &errs); exit != exitFailure ||
		!strings.Contains(errs.String(), "(admin_key_required)") || strings.Contains(errs.String(), "somebody") {
		t.Errorf("a wrong key: exit %d: %s", exit, &errs)
	}
}

func TestDeadCommandUsage(t *testing.T) {
	t.Parallel()
	key := "ADMIN_KEY=" + operatorKey
	for name, tt := range map[string]struct {
		args    string
		environ []string
		exit    int
		stderr  string
	}{
		"nothing":                  {"dead", nil, exitUsage, "usage"},
		"help":                     {"dead -h", nil, 0, ""},
		"help on a command":        {"dead list -h", nil, 0, "-since"},
		"unknown":                  {"dead rise", nil, exitUsage, "unknown command"},
		"no key":                   {"dead list", nil, exitUsage, "ADMIN_KEY"},
		"list an id":               {"dead list x", []string{key}, exitUsage, "unexpected argument"},
		"show nothing":             {"dead show", []string{key}, exitUsage, "give one ID"},
		"show two":                 {"dead show a b", []string{key}, exitUsage, "give one ID"},
		"show elsewhere":           {"dead show ../jobs", []string{key}, exitUsage, "not an ID"},
		"purge nothing":            {"dead purge", []string{key}, exitUsage, "--all"},
		"purge a filter":           {"dead purge --kind image", []string{key}, exitUsage, "--all"},
		"purge both":               {"dead purge --all x", []string{key}, exitUsage, "not both"},
		"purge elsewhere":          {"dead purge a/../b", []string{key}, exitUsage, "not an ID"},
		"replay a bad limit":       {"dead replay --all --limit -1", []string{key}, exitUsage, "limit"},
		"a bad span":               {"dead list --since yesterday", []string{key}, exitUsage, "duration"},
		"a bad flag":               {"dead list --nonsense", []string{key}, exitUsage, "nonsense"},
		"a bad output":             {"dead list -o yaml", []string{key}, exitUsage, "table or json"},
		"a bad URL":                {"dead list --url nonsense", []string{key}, exitUsage, "must be a URL"},
		"a bad LISTEN_ADDR":        {"dead list", []string{key, "LISTEN_ADDR=nonsense"}, exitUsage, "LISTEN_ADDR"},
		"unreachable":              {"dead list --url http://127.0.0.1:1", []string{key}, exitFailure, "127.0.0.1:1"},
		"unreachable, LISTEN_ADDR": {"dead purge --all", []string{key, "LISTEN_ADDR=0.0.0.0:1"}, exitFailure, "127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			if got := run(t.Context(), strings.Fields(tt.args), tt.environ, &stdout, &stderr); got != tt.exit || !strings.Contains(stderr.String(), tt.stderr) {
				t.Errorf("exit %d, want %d: %s%s", got, tt.exit, &stdout, &stderr)
			}
		})
	}
}

// TestOperatorRejectsForeignResponses has somebody else answer in the API's place.
func TestOperatorRejectsForeignResponses(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the key was sent to another host: %s", r.URL)
	}))
	t.Cleanup(other.Close)
	for name, tt := range map[string]struct {
		handler http.HandlerFunc
		stderr  string
	}{
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		}, "status 307"},
		"a page":        {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, "not from the API"},
		"an error page": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", http.StatusBadGateway) }, "status 502"},
		"a bad word": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusTeapot)
			_, _ = w.Write([]byte(`{"code":"c","detail":"\u001b[31m"}`))
		}, "·[31m (c)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(tt.handler)
			t.Cleanup(server.Close)
			var stdout, stderr bytes.Buffer
			args := []string{"dead", "list", "--url", server.URL}
			if got := run(t.Context(), args, []string{"ADMIN_KEY=" + operatorKey}, &stdout, &stderr); got != exitFailure || !strings.Contains(stderr.String(), tt.stderr) {
				t.Errorf("exit %d: %s%s", got, &stdout, &stderr)
			}
		})
	}
}
