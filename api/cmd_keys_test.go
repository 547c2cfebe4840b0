package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/client"
)

// TestKeysCommand creates, uses, lists and revokes an API key as in the examples of the commands.
func TestKeysCommand(t *testing.T) {
	t.Parallel()
	p := startAPI(t, t.TempDir())
	body := strings.NewReader(`{"username":"Ann","email":"ann@example.org","password":"four words in a row"}`)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+"/api/auth/register", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != http.StatusCreated {
		t.Fatalf("sign up: %v, %v", resp, err)
	}
	_ = resp.Body.Close()
	ann := []string{"T2I_EMAIL=ann@example.org", "T2I_PASSWORD=four words in a row"}

	created := p.callWith(t.Context(), ann, "keys", "create", "nightly build", "--expires-in", "720h", "--per-day", "50", "--budget-per-month", "20")
	secret := strings.TrimSpace(created.out)
	if created.exit != 0 || !strings.HasPrefix(secret, "t2i_") || !strings.Contains(created.errors, "nightly build") {
		t.Fatalf("create: %+v", created)
	}
	withKey := []string{"T2I_API_KEY=" + secret}
	if got := p.callWith(t.Context(), withKey, "submit", "--kind", "translation", "黄昏"); got.exit != 0 {
		t.Errorf("submit with the key: %+v", got)
	}
	// The translation is counted before it leaves the queue, shortly after it can be seen that it has ended.
	for deadline := time.Now().Add(time.Minute); ; {
		got := p.callWith(t.Context(), withKey, "usage", "--by", "kind,api_key")
		if strings.Contains(got.out, "translation  key_") && strings.Contains(got.out, "1 jobs, 1 units, 1 jobs without a price") &&
			strings.Contains(got.out, ", month: 0 of 20 pollen used") {
			break
		}
		if got.exit != 0 || time.Now().After(deadline) {
			t.Fatalf("usage: %+v", got)
		}
	}
	listed := p.callWith(t.Context(), ann, "keys", "list", "-o", "json")
	var k client.Key
	if err := json.Unmarshal([]byte(listed.out), &k); err != nil || k.Name != "nightly build" || k.Secret != "" || k.PerDay == nil || *k.PerDay != 50 {
		t.Fatalf("list: %+v, %v", listed, err)
	}
	if got := p.callWith(t.Context(), ann, "keys", "list"); got.exit != 0 || !strings.Contains(got.out, "50/day  costs up to 20 a month  nightly build") {
		t.Errorf("list: %+v", got)
	}
	for name, c := range map[string]struct {
		environ, args []string
		exit          int
		part          string
	}{
		"an API key":     {withKey, []string{"list"}, exitUsage, "T2I_EMAIL"},
		"no password":    {ann[:1:1], []string{"list"}, exitUsage, "T2I_PASSWORD"},
		"wrong password": {append(ann[:1:1], "T2I_PASSWORD=wrong"), []string{"list"}, exitFailure, "wrong_credentials"},
		"scope":          {ann, []string{"create", "x", "--scopes", "all"}, exitFailure, "/scopes/0"},
		"unknown key":    {ann, []string{"revoke", "key_1"}, exitFailure, "not_found"},
		"no name":        {ann, []string{"create"}, exitUsage, "name"},
		"unknown":        {ann, []string{"rotate"}, exitUsage, "api keys create"},
		"help":           {nil, []string{"create", "-h"}, 0, "--expires-in 720h"},
	} {
		if got := p.callWith(t.Context(), c.environ, append([]string{"keys"}, c.args...)...); got.exit != c.exit || !strings.Contains(got.errors, c.part) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := p.callWith(t.Context(), ann, "keys", "revoke", k.ID); got.exit != 0 {
		t.Errorf("revoke: %+v", got)
	}
	if got := p.callWith(t.Context(), ann, "keys", "list"); got.exit != 0 || got.out != "" {
		t.Errorf("list after the key was revoked: %+v", got)
	}
}
