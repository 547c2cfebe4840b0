package google_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/text2image-audio/text2image-audio/pkg/clocktest"
	"github.com/text2image-audio/text2image-audio/pkg/google"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	redirect = "http://127.0.0.1:1/auth/google/callback"
	ada      = "ada@example.com"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// rig is a client of a simulated Google.
type rig struct {
	*google.Client
	sim   *simulator.Simulator
	clock *clocktest.Clock
}

// setup starts both on one clock.
func setup(t testing.TB, changes ...func(*google.Config)) *rig {
	t.Helper()
	time := clocktest.New(time.Now())
	sim := simulatortest.StartWith(t, simulator.Config{Now: time.Now})
	cfg := google.Config{ClientID: simulator.GoogleClientID, ClientSecret: simulator.GoogleClientSecret, Issuer: sim.GoogleURL()}
	for _, change := range changes {
		change(&cfg)
	}
	return &rig{google.New(cfg, google.WithClock(time.Now)), sim, time}
}

func begin() google.Start {
	return google.Start{Redirect: redirect, State: "a state", Nonce: "a nonce", Verifier: google.NewVerifier()}
}

// code returns the code of a user who allows the sign-in.
func (s *rig) code(t testing.TB, start google.Start, fields ...string) string {
	t.Helper()
	authURL, err := s.AuthURL(t.Context(), start)
	must(t, err)
	back := simulatortest.Decide(t, authURL, "allow", append([]string{"email", ada}, fields...)...)
	if !strings.HasPrefix(back.String(), redirect+"?") || back.Query().Get("state") != start.State {
		t.Errorf("redirected to %s", back)
	}
	return back.Query().Get("code")
}

// signed returns an ID token with changed claims; nil removes a claim.
func (s *rig) signed(t testing.TB, changes, header map[string]any) string {
	t.Helper()
	g := s.sim.Google()
	claims := g.Claims(g.User(ada), simulator.GoogleClientID)
	for name, value := range changes {
		claims[name] = value
		if value == nil {
			delete(claims, name)
		}
	}
	token, err := g.Sign(claims, header)
	must(t, err)
	return token
}

// expectError checks the kind of an error, and that it contains nothing private.
func expectError(t testing.TB, err error, kind google.Kind) google.Error {
	t.Helper()
	e, is := errors.AsType[*google.Error](err)
	if !is || e.Kind != kind {
		t.Fatalf("got %v, want an error of the kind %s", err, kind)
	}
	for _, private := range []string{ada, "4/0A", "eyJ", "simulated-secret", "example.com"} {
		if strings.Contains(fmt.Sprint(err, e.Description), private) {
			t.Errorf("%v contains %q", err, private)
		}
	}
	return *e
}

func TestExchange(t *testing.T) {
	t.Parallel()
	s := setup(t)
	start := begin()
	authURL, err := s.AuthURL(t.Context(), start)
	must(t, err)
	u, err := url.Parse(authURL)
	must(t, err)
	for name, want := range map[string]string{
		"client_id": simulator.GoogleClientID, "redirect_uri": redirect, "response_type": "code", "scope": "openid email profile", "state": start.State,
		"nonce": start.Nonce, "code_challenge_method": "S256", "access_type": "online", "prompt": "select_account",
	} {
		if got := u.Query().Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if u.Query().Get("code_challenge") == "" || strings.Contains(authURL, start.Verifier) {
		t.Errorf("PKCE: %s", authURL)
	}
	code := s.code(t, start)
	who, err := s.Exchange(t.Context(), start, code)
	must(t, err)
	if who.Email != ada || !who.Verified || who.Name != "Ada Lovelace" || who.Subject == "" || who.Picture == "" || who.Nonce != start.Nonce {
		t.Errorf("got %+v", who)
	}
	e := expectError(t, errOf(s.Exchange(t.Context(), start, code)), google.KindCode)
	if e.Status != http.StatusBadRequest || e.Code != "invalid_grant" || e.Description != "Bad Request" {
		t.Errorf("a used code: %+v", e)
	}
	s.clock.Advance(time.Hour)
	again, err := s.Exchange(t.Context(), start, s.code(t, start))
	must(t, err)
	if again.Subject != who.Subject || again.Token == who.Token {
		t.Errorf("the second exchange: %+v", again)
	}
}

func errOf(_ *google.Identity, err error) error { return err }

// TestIDTokenOfExchange has the simulator return each kind of ID token.
func TestIDTokenOfExchange(t *testing.T) {
	t.Parallel()
	for fault, good := range map[string]bool{
		"id_token_short_iss": true, "id_token_verified_text": true, "id_token_unverified": true, "id_token_unverified_text": true, "id_token_without_email": true,
		"id_token_missing": false, "id_token_forged": false, "id_token_alg_none": false, "id_token_hs256": false, "id_token_unknown_kid": false,
		"id_token_wrong_iss": false, "id_token_wrong_aud": false, "id_token_wrong_azp": false, "id_token_wrong_nonce": false, "id_token_without_nonce": false,
		"id_token_wrong_at_hash": false, "id_token_expired": false, "id_token_future": false, "id_token_without_sub": false,
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			s := setup(t)
			simulatortest.Script(t, s.sim, simulator.Rule{Kind: simulator.KindToken, Fault: fault})
			start := begin()
			who, err := s.Exchange(t.Context(), start, s.code(t, start))
			if !good {
				expectError(t, err, google.KindToken)
				return
			}
			must(t, err)
			if unverified := strings.Contains(fault, "unverified"); who.Verified == unverified {
				t.Errorf("verified: %v", who.Verified)
			}
			if none := fault == "id_token_without_email"; (who.Email == "") != none {
				t.Errorf("the address is %q", who.Email)
			}
		})
	}
}

func TestTokenEndpointErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rule     simulator.Rule
		kind     google.Kind
		setting  string
		requests int
	}{
		"used":           {simulator.Rule{Fault: "invalid_grant"}, google.KindCode, "", 1},
		"malformed":      {simulator.Rule{Fault: "malformed_code"}, google.KindCode, "", 1},
		"another URI":    {simulator.Rule{Fault: "redirect_uri_mismatch"}, google.KindMisconfigured, "GOOGLE_REDIRECT_URI", 1},
		"unknown client": {simulator.Rule{Fault: "invalid_client"}, google.KindMisconfigured, "GOOGLE_CLIENT_ID", 1},
		"wrong secret":   {simulator.Rule{Fault: "wrong_client_secret"}, google.KindMisconfigured, "GOOGLE_CLIENT_SECRET", 1},
		"unauthorized":   {simulator.Rule{Fault: "unauthorized_client"}, google.KindMisconfigured, "GOOGLE_CLIENT_ID", 1},
		"server error":   {simulator.Rule{Fault: "server_error"}, google.KindUnavailable, "", 1},
		"HTML":           {simulator.Rule{Fault: "html_502"}, google.KindUnavailable, "", 1},
		"throttled":      {simulator.Rule{Status: http.StatusTooManyRequests, Body: "{}"}, google.KindUnavailable, "", 1},
		"not JSON":       {simulator.Rule{Status: http.StatusOK, Body: "{"}, google.KindUnavailable, "", 1},
		"empty":          {simulator.Rule{Status: http.StatusOK, Body: "{}"}, google.KindUnavailable, "", 1},
		"too large":      {simulator.Rule{Status: http.StatusOK, Body: strings.Repeat(" ", 300<<10)}, google.KindUnavailable, "", 1},
		"redirect":       {simulator.Rule{Status: http.StatusTemporaryRedirect, Headers: map[string]string{"Location": "/token"}, Body: "x"}, google.KindUnavailable, "", 1},
		"unknown error":  {simulator.Rule{Status: http.StatusBadRequest, Body: `{"error":"so_so","error_description":"a\nb"}`}, google.KindCode, "", 1},
		"reset":          {simulator.Rule{Fault: "reset"}, google.KindUnavailable, "", 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setup(t)
			start := begin()
			code := s.code(t, start)
			c.rule.Kind = simulator.KindToken
			simulatortest.Script(t, s.sim, c.rule)
			_, err := s.Exchange(t.Context(), start, code)
			e := expectError(t, err, c.kind)
			if e.Setting != c.setting || strings.Contains(e.Description, "\n") || len(e.Description) > 200 {
				t.Errorf("got %+v", e)
			}
			if n := s.sim.Count(simulator.KindToken, ""); n != c.requests {
				t.Errorf("%d requests, want %d", n, c.requests)
			}
		})
	}
}

// TestConnectionFailsOnce resets the first connection to the token endpoint.
func TestConnectionFailsOnce(t *testing.T) {
	t.Parallel()
	s := setup(t)
	start := begin()
	code := s.code(t, start)
	simulatortest.Script(t, s.sim, simulator.Rule{Kind: simulator.KindToken, Fault: "reset", Times: 1})
	who, err := s.Exchange(t.Context(), start, code)
	must(t, err)
	if who.Email != ada {
		t.Errorf("got %+v", who)
	}
}

func TestExchangeRejectsVerifierAndCode(t *testing.T) {
	t.Parallel()
	s := setup(t)
	start := begin()
	code := s.code(t, start)
	start.Verifier = google.NewVerifier()
	expectError(t, errOf(s.Exchange(t.Context(), start, code)), google.KindCode)
	for _, code := range []string{"", strings.Repeat("x", 1025)} {
		expectError(t, errOf(s.Exchange(t.Context(), start, code)), google.KindCode)
	}
	if n := s.sim.Count(simulator.KindToken, ""); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	s := setup(t)
	now := s.clock.Now().Unix()
	who, err := s.Verify(t.Context(), s.signed(t, nil, nil), "")
	must(t, err)
	if who.Email != ada || who.Expires.Unix() != now+3600 || who.Token == "" {
		t.Errorf("got %+v", who)
	}
	_, short, _ := strings.Cut(s.sim.GoogleURL(), "://")
	type claims = map[string]any
	for name, c := range map[string]struct {
		claims, header claims
		nonce          string
		good           bool
	}{
		"nonce":                     {claims{"nonce": "n"}, nil, "n", true},
		"unexpected nonce":          {claims{"nonce": "n"}, nil, "", false},
		"another nonce":             {claims{"nonce": "n"}, nil, "m", false},
		"no nonce":                  {nil, nil, "n", true},
		"issuer without scheme":     {claims{"iss": short}, nil, "", true},
		"issuer with a slash":       {claims{"iss": s.sim.GoogleURL() + "/"}, nil, "", false},
		"google itself":             {claims{"iss": "https://accounts.google.com"}, nil, "", false},
		"no issuer":                 {claims{"iss": nil}, nil, "", false},
		"list of issuers":           {claims{"iss": []string{s.sim.GoogleURL()}}, nil, "", false},
		"another client":            {claims{"aud": "x", "azp": nil}, nil, "", false},
		"no audience":               {claims{"aud": nil, "azp": nil}, nil, "", false},
		"two clients":               {claims{"aud": []string{simulator.GoogleClientID, "x"}}, nil, "", true},
		"two clients, no party":     {claims{"aud": []string{simulator.GoogleClientID, "x"}, "azp": nil}, nil, "", false},
		"one client, no party":      {claims{"azp": nil}, nil, "", true},
		"another party":             {claims{"azp": "x"}, nil, "", false},
		"just expired":              {claims{"exp": now - 1}, nil, "", false},
		"no expiry":                 {claims{"exp": nil}, nil, "", false},
		"expiry is not a number":    {claims{"exp": "tomorrow"}, nil, "", false},
		"issued a minute ahead":     {claims{"iat": now + 60}, nil, "", true},
		"issued an hour ahead":      {claims{"iat": now + 3600}, nil, "", false},
		"never issued":              {claims{"iat": nil}, nil, "", false},
		"not before tomorrow":       {claims{"nbf": now + 86400}, nil, "", false},
		"no subject":                {claims{"sub": ""}, nil, "", false},
		"a long subject":            {claims{"sub": strings.Repeat("1", 256)}, nil, "", false},
		"verified as text":          {claims{"email_verified": "true"}, nil, "", true},
		"alg none":                  {nil, claims{"alg": "none"}, "", false},
		"HS256 with the public key": {nil, claims{"alg": "HS256"}, "", false},
		"unknown key ID":            {nil, claims{"kid": "x"}, "", false},
		"no key ID":                 {nil, claims{"kid": nil}, "", false},
		"URL of a key":              {nil, claims{"kid": "x", "jku": "https://evil.example", "x5u": "https://evil.example"}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := s.Verify(t.Context(), s.signed(t, c.claims, c.header), c.nonce)
			if !c.good {
				expectError(t, err, google.KindToken)
				return
			}
			must(t, err)
		})
	}
	good := s.signed(t, nil, nil)
	head, rest, _ := strings.Cut(good, ".")
	body, signature, _ := strings.Cut(rest, ".")
	for name, token := range map[string]string{
		"empty": "", "dots": "..", "no signature": head + "." + body + ".", "altered": head + "." + body[:20] + "A" + body[21:] + "." + signature,
		"too long": good + strings.Repeat("A", 9000), "JSON": `{"payload":"` + body + `","protected":"` + head + `","signature":"` + signature + `"}`,
	} {
		if _, err := s.Verify(t.Context(), token, ""); err == nil {
			t.Errorf("%s is accepted", name)
		} else {
			expectError(t, err, google.KindToken)
		}
	}
}

func FuzzVerify(f *testing.F) {
	s := setup(f)
	f.Add(s.signed(f, nil, nil)+"x", "")
	f.Add(s.signed(f, nil, map[string]any{"alg": "none"}), "n")
	f.Add("..", "")
	f.Fuzz(func(t *testing.T, token, nonce string) {
		if who, err := s.Verify(t.Context(), token, nonce); err == nil && who.Nonce != nonce && who.Nonce != "" {
			t.Errorf("accepted with the nonce %q for %q", who.Nonce, nonce)
		}
	})
}
