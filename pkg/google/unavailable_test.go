package google_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/google"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
)

func TestKeyRotation(t *testing.T) {
	t.Parallel()
	s := setup(t)
	old := s.signed(t, nil, nil)
	must(t, errOf(s.Verify(t.Context(), old, "")))
	for range 2 {
		must(t, errOf(s.Verify(t.Context(), s.signed(t, nil, nil), "")))
	}
	if n := s.sim.Count(simulator.KindCerts, ""); n != 1 {
		t.Errorf("the keys were fetched %d times", n)
	}
	must(t, s.sim.Google().Rotate())
	must(t, errOf(s.Verify(t.Context(), s.signed(t, nil, nil), "")))
	must(t, errOf(s.Verify(t.Context(), old, "")))
	must(t, s.sim.Google().Rotate())
	must(t, errOf(s.Verify(t.Context(), s.signed(t, nil, nil), "")))
	// The key of the first token is no longer published.
	expectError(t, errOf(s.Verify(t.Context(), old, "")), google.KindToken)
}

// TestUnknownKeyIDs verifies many tokens with unknown key IDs.
func TestUnknownKeyIDs(t *testing.T) {
	t.Parallel()
	s := setup(t)
	good := s.signed(t, nil, nil)
	for n := range 200 {
		expectError(t, errOf(s.Verify(t.Context(), s.signed(t, nil, map[string]any{"kid": fmt.Sprint(n)}), "")), google.KindToken)
	}
	must(t, errOf(s.Verify(t.Context(), good, "")))
	if n := s.sim.Count(simulator.KindCerts, ""); n > 5 {
		t.Errorf("the keys were fetched %d times", n)
	}
	must(t, s.sim.Google().Rotate())
	s.clock.Advance(31 * time.Second)
	must(t, errOf(s.Verify(t.Context(), s.signed(t, nil, nil), "")))
}

// TestKeyEndpointFails makes the key endpoint fail before and after the keys were fetched.
func TestKeyEndpointFails(t *testing.T) {
	t.Parallel()
	s := setup(t)
	down := simulator.Rule{ID: "down", Kind: simulator.KindCerts, Fault: "server_error"}
	simulatortest.Script(t, s.sim, down)
	token := s.signed(t, map[string]any{"exp": s.clock.Now().Add(72 * time.Hour).Unix()}, nil)
	for range 10 {
		expectError(t, errOf(s.Verify(t.Context(), token, "")), google.KindUnavailable)
	}
	if n := s.sim.Count(simulator.KindCerts, ""); n != 1 {
		t.Errorf("%d requests within failurePause, want 1", n)
	}
	s.sim.Clear()
	s.clock.Advance(6 * time.Second)
	must(t, errOf(s.Verify(t.Context(), token, "")))
	simulatortest.Script(t, s.sim, down)
	s.clock.Advance(20 * time.Hour)
	must(t, errOf(s.Verify(t.Context(), token, ""))) // The last keys stay valid for staleKeyAge.
	s.clock.Advance(20 * time.Hour)
	expectError(t, errOf(s.Verify(t.Context(), token, "")), google.KindUnavailable)
}

func TestDiscoveryFails(t *testing.T) {
	t.Parallel()
	s := setup(t)
	simulatortest.Script(t, s.sim, simulator.Rule{Kind: simulator.KindDiscovery, Fault: "server_error"})
	for range 10 {
		_, err := s.AuthURL(t.Context(), begin())
		expectError(t, err, google.KindUnavailable)
		expectError(t, errOf(s.Exchange(t.Context(), begin(), "4/0A")), google.KindUnavailable)
		expectError(t, errOf(s.Verify(t.Context(), "x", "")), google.KindUnavailable)
	}
	if n := s.sim.Count(simulator.KindDiscovery, ""); n != 1 {
		t.Errorf("%d requests within failurePause, want 1", n)
	}
	s.sim.Clear()
	s.clock.Advance(6 * time.Second)
	for range 3 {
		_, err := s.AuthURL(t.Context(), begin())
		must(t, err)
	}
	if n := s.sim.Count(simulator.KindDiscovery, ""); n != 2 {
		t.Errorf("%d requests in total, want 2", n)
	}
	unreachable := google.New(google.Config{ClientID: "c", ClientSecret: "s", Issuer: "http://127.0.0.1:1"})
	_, err := unreachable.AuthURL(t.Context(), begin())
	expectError(t, err, google.KindUnavailable)
}

func TestDiscoveryDocuments(t *testing.T) {
	t.Parallel()
	document := func(changes map[string]string, issuer string) string {
		if _, large := changes["large"]; large {
			return strings.Repeat(" ", 300<<10) + `{"issuer":"` + issuer + `","authorization_endpoint":"` + issuer + `/a","token_endpoint":"` + issuer + `/t","jwks_uri":"` + issuer + `/k"}`
		}
		fields := map[string]string{
			"issuer": issuer, "authorization_endpoint": issuer + "/a", "token_endpoint": issuer + "/t", "jwks_uri": issuer + "/k",
		}
		for name, value := range changes {
			fields[name] = value
		}
		var parts []string
		for name, value := range fields {
			parts = append(parts, fmt.Sprintf("%q:%q", name, value))
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	for name, c := range map[string]struct {
		changes map[string]string
		kind    google.Kind
	}{
		"another issuer": {map[string]string{"issuer": "https://evil.example"}, google.KindMisconfigured},
		"too large":      {map[string]string{"large": ""}, google.KindUnavailable},
		"no keys":        {map[string]string{"jwks_uri": ""}, google.KindUnavailable},
		"keys on http":   {map[string]string{"jwks_uri": "http://keys.example/k"}, google.KindUnavailable},
		"token on http":  {map[string]string{"token_endpoint": "http://token.example/t"}, google.KindUnavailable},
		"script URL":     {map[string]string{"authorization_endpoint": "javascript:alert(1)"}, google.KindUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setup(t)
			simulatortest.Script(t, s.sim, simulator.Rule{
				Kind: simulator.KindDiscovery, Status: http.StatusOK, Body: document(c.changes, s.sim.GoogleURL()), Headers: map[string]string{"Content-Type": "application/json"},
			})
			_, err := s.AuthURL(t.Context(), begin())
			expectError(t, err, c.kind)
		})
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for variables, faults := range map[string]string{
		"":                       "",
		"GOOGLE_CLIENT_ID=a":     "GOOGLE_CLIENT_SECRET",
		"GOOGLE_CLIENT_SECRET=s": "GOOGLE_CLIENT_ID",
		"GOOGLE_CLIENT_ID=a GOOGLE_CLIENT_SECRET=s":                                                   "",
		"GOOGLE_REDIRECT_URI=https://x.example/b":                                                     "GOOGLE_CLIENT_ID GOOGLE_CLIENT_SECRET",
		"GOOGLE_ISSUER=https://i.example":                                                             "GOOGLE_CLIENT_ID GOOGLE_CLIENT_SECRET",
		"GOOGLE_CLIENT_ID=a GOOGLE_CLIENT_SECRET=s GOOGLE_ISSUER=http://i.example":                    "GOOGLE_ISSUER",
		"GOOGLE_CLIENT_ID=a GOOGLE_CLIENT_SECRET=s GOOGLE_ISSUER=http://127.0.0.1:1/google":           "",
		"GOOGLE_CLIENT_ID=a GOOGLE_CLIENT_SECRET=s GOOGLE_REDIRECT_URI=http://x.example/b":            "GOOGLE_REDIRECT_URI",
		"GOOGLE_CLIENT_ID=a GOOGLE_CLIENT_SECRET=s GOOGLE_REDIRECT_URI=https://x.example/b#c":         "GOOGLE_REDIRECT_URI",
		"GOOGLE_CLIENT_ID=a GOOGLE_CLIENT_SECRET=s GOOGLE_REDIRECT_URI=https://x.example/api/b":       "GOOGLE_REDIRECT_URI",
		"GOOGLE_CLIENT_ID=a GOOGLE_CLIENT_SECRET=s GOOGLE_REDIRECT_URI=https://u:p@x.example/b":       "GOOGLE_REDIRECT_URI",
		"GOOGLE_CLIENT_ID=a GOOGLE_CLIENT_SECRET=s GOOGLE_REDIRECT_URI=http://localhost:3000/auth/cb": "",
		"GOOGLE_CLIENT_ID=a GOOGLE_CLIENT_SECRET=s GOOGLE_REDIRECT_URI=https://x.example":             "",
	} {
		var cfg google.Config
		err := errors.Join(env.Load(strings.Fields(variables), &cfg))
		for name := range strings.FieldsSeq("GOOGLE_CLIENT_ID GOOGLE_CLIENT_SECRET GOOGLE_REDIRECT_URI GOOGLE_ISSUER") {
			reported := strings.Contains(fmt.Sprint(err), name+": expected")
			if want := strings.Contains(" "+faults+" ", " "+name+" "); reported != want {
				t.Errorf("%s: %s reported: %v (%v)", variables, name, reported, err)
			}
		}
	}
}
