package google_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/wiretest"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
)

// TestGoogleRejectsAuthorizations sends requests with configuration errors, which result in a page
// and never in a redirect.
func TestGoogleRejectsAuthorizations(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	for name, row := range map[string]struct {
		pairs  []string
		status int
		part   string
	}{
		"no client":           {[]string{"client_id", ""}, 400, "Missing required parameter: client_id"},
		"no redirect URI":     {[]string{"redirect_uri", ""}, 400, "Missing required parameter: redirect_uri"},
		"no response type":    {[]string{"response_type", ""}, 400, "Error 400: invalid_request"},
		"no scope":            {[]string{"scope", ""}, 400, "Error 400: invalid_request"},
		"unknown client":      {[]string{"client_id", "nobody"}, 401, "Error 401: invalid_client"},
		"foreign URI":         {[]string{"redirect_uri", "https://evil.example/back"}, 400, "Error 400: redirect_uri_mismatch"},
		"similar host":        {[]string{"redirect_uri", "http://localhost.evil.example/"}, 400, "Error 400: redirect_uri_mismatch"},
		"URI with a user":     {[]string{"redirect_uri", "http://127.0.0.1@evil.example/"}, 400, "Error 400: redirect_uri_mismatch"},
		"script URI":          {[]string{"redirect_uri", "javascript://127.0.0.1/%0aalert(1)"}, 400, "Error 400: redirect_uri_mismatch"},
		"fragment":            {[]string{"redirect_uri", "http://127.0.0.1/#x"}, 400, "Error 400: redirect_uri_mismatch"},
		"implicit":            {[]string{"response_type", "id_token"}, 400, "Error 400: unsupported_response_type"},
		"unknown scope":       {[]string{"scope", "openid <b>mail"}, 400, "invalid: &lt;b&gt;mail"},
		"short challenge":     {[]string{"code_challenge", "short"}, 400, "Invalid parameter value for code_challenge"},
		"unknown method":      {[]string{"code_challenge_method", "S512"}, 400, "Invalid parameter value for code_challenge_method"},
		"method alone":        {[]string{"code_challenge", ""}, 400, "Missing required parameter: code_challenge"},
		"invalid prompt":      {[]string{"prompt", "none consent"}, 400, "Invalid parameter value for prompt"},
		"invalid access type": {[]string{"access_type", "always"}, 400, "Invalid parameter value for access_type"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, a := range []wiretest.Response{wiretest.Get(t, authURL(s, row.pairs...)), wiretest.Post(t, authURL(s, row.pairs...), "decision=allow", "Content-Type", formType)} {
				if a.Status != row.status || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") || !strings.Contains(string(a.Body), row.part) || a.Header.Get("Location") != "" {
					t.Errorf("status %d, location %q: %s", a.Status, a.Header.Get("Location"), a.Body)
				}
			}
		})
	}
	if a := wiretest.Get(t, authURL(s)+"&state=again"); a.Status != 400 || !strings.Contains(string(a.Body), "can only have a single value: state") {
		t.Errorf("repeated state: status %d, %s", a.Status, a.Body)
	}
}

// TestGoogleRedirectURIs checks that registered redirect URIs are matched exactly.
func TestGoogleRedirectURIs(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	for _, address := range []string{"http://127.0.0.1:1/a?b=c", "http://localhost/x", "https://[::1]:8443/", redirectURI} {
		back := simulatortest.Decide(t, authURL(s, "redirect_uri", address), "allow")
		if !strings.HasPrefix(back.String(), address) || back.Query().Get("code") == "" || back.Query().Get("state") == "" {
			t.Errorf("from %s to %s", address, back)
		}
	}
	const mine = "https://app.example.com/back"
	s.Google().SetClients(simulator.GoogleClient{ID: "mine", Secret: "s", RedirectURIs: []string{mine}})
	for address, status := range map[string]int{mine: 200, mine + "/": 400, mine + "?": 400, strings.ToUpper(mine): 400, "https://app.example.com/%62ack": 400, redirectURI: 400} {
		if a := wiretest.Get(t, authURL(s, "client_id", "mine", "redirect_uri", address)); a.Status != status {
			t.Errorf("%s: status %d", address, a.Status)
		}
	}
	if a := wiretest.Get(t, authURL(s)); a.Status != http.StatusUnauthorized {
		t.Errorf("the default client is still there: status %d", a.Status)
	}
	s.Google().SetClients()
	if a := wiretest.Get(t, authURL(s)); a.Status != http.StatusOK {
		t.Errorf("the default client is not restored: status %d", a.Status)
	}
}

// TestGoogleConsentPage checks the consent page and the decisions.
func TestGoogleConsentPage(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	page := wiretest.Get(t, authURL(s, "login_hint", `"><script>@x`))
	if page.Status != 200 || strings.Contains(string(page.Body), "<script") || page.Header.Get("X-Frame-Options") != "DENY" || page.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("status %d, %v: %s", page.Status, page.Header, page.Body)
	}
	for _, part := range []string{"Ada Lovelace", "林小梅", "(address not verified)", `value="deny"`, `name="email"`, `value="no"`, simulator.GoogleClientID, redirectURI} {
		if !strings.Contains(string(page.Body), part) {
			t.Errorf("the page lacks %s", part)
		}
	}
	if hinted := string(wiretest.Get(t, authURL(s, "login_hint", "zoe@example.com")).Body); !strings.Contains(hinted, "checked> zoe &lt;zoe@example.com&gt;") {
		t.Errorf("the hinted user is not selected: %s", hinted)
	}

	denied := simulatortest.Decide(t, authURL(s), "deny")
	if !strings.HasPrefix(denied.String(), redirectURI+"?state=") || denied.Query().Get("error") != "access_denied" || denied.Query().Has("code") {
		t.Errorf("denied: %s", denied)
	}
	recorder := httptest.NewRecorder()
	s.Handler().ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/google"+authQuery("prompt", "none"), nil))
	if silent := recorder.Header().Get("Location"); recorder.Code != http.StatusFound || !strings.HasSuffix(silent, "&error=interaction_required") {
		t.Errorf("prompt=none: status %d, to %s", recorder.Code, silent)
	}
	for _, form := range []string{"", "decision=maybe", "decision=allow&email=nobody", "decision=allow&account=7", "decision=allow&email=a%40b%20c"} {
		if a := wiretest.Post(t, authURL(s), form, "Content-Type", formType); a.Status != 400 || !strings.Contains(string(a.Body), `role="alert"`) {
			t.Errorf("%q: status %d", form, a.Status)
		}
	}
	withoutState := simulatortest.Decide(t, authURL(s, "state", "", "prompt", "select_account"), "allow", "email", "work@example.org")
	if withoutState.Query().Has("state") || withoutState.Query().Get("prompt") != "select_account" || withoutState.Query().Get("hd") != "example.org" {
		t.Errorf("without a state: %s", withoutState)
	}
}

// TestGoogleChoosesUsers signs in the user of the form.
func TestGoogleChoosesUsers(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	s.Google().AddUsers(simulator.GoogleUser{Sub: "42", Email: "Ford@example.com", Verified: true, Name: "Ford Prefect"})
	ada := s.Google().User("ADA@example.com")
	for name, row := range map[string]struct {
		hint   string
		fields []string
		want   map[string]any
	}{
		"no user given":    {"", nil, map[string]any{"email": "ada@example.com"}},
		"login hint":       {"mei@example.com", nil, map[string]any{"email": "mei@example.com", "name": "林小梅", "given_name": "林小梅", "family_name": nil}},
		"selected account": {"mei@example.com", []string{"account", "42", "verified", "no"}, map[string]any{"email": "Ford@example.com", "email_verified": true}},
		"not verified":     {"", []string{"email", "unproved@example.com"}, map[string]any{"email_verified": false}},
		"known":            {"", []string{"email", "ford@example.com"}, map[string]any{"sub": "42", "name": "Ford Prefect"}},
		"any user":         {"", []string{"email", "zoe@example.com", "account", "42"}, map[string]any{"name": "zoe", "email_verified": true}},
		"every field":      {"", []string{"email", "zoe@example.net", "name", "Zoe Q. Zhang", "verified", "no"}, map[string]any{"given_name": "Zoe Q.", "family_name": "Zhang", "email_verified": false}},
		"another email":    {"", []string{"email", "new@example.com", "sub", ada.Sub}, map[string]any{"sub": ada.Sub, "email": "new@example.com"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code := simulatortest.Decide(t, authURL(s, "login_hint", row.hint), "allow", row.fields...).Query().Get("code")
			claims := claimsOf(t, s, textOf(t, redeem(t, s, code).Fields(t), "id_token"))
			for name, want := range row.want {
				if claims[name] != want {
					t.Errorf("%s is %v, want %v", name, claims[name], want)
				}
			}
			if sub := textOf(t, claims, "sub"); sub != "42" && len(sub) != 21 {
				t.Errorf("sub is %s", sub)
			}
		})
	}
	if got := s.Google().User("ada@example.com"); got != ada {
		t.Errorf("the sign-in changed %+v to %+v", ada, got)
	}
}
