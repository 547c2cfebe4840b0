package app_test

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/app"
	"github.com/text2image-audio/text2image-audio/api/app/apptest"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
)

// addCookieJar gives the client a new cookie jar and makes it return redirects.
func (i *instance) addCookieJar(t testing.TB) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	i.Client.Jar = jar
	i.Client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
}

// googleSignIn signs in at Google and returns the parameters of the redirect.
func (i *instance) googleSignIn(t testing.TB, email string) fields {
	t.Helper()
	resp := i.Do(t, http.MethodGet, "/api/auth/google", nil)
	if resp.StatusCode != http.StatusFound {
		t.Fatalf("start: %d %s", resp.StatusCode, resp.Data)
	}
	back := simulatortest.Decide(t, resp.Header.Get("Location"), "allow", "email", email)
	if page := i.Do(t, http.MethodGet, back.RequestURI(), nil); page.StatusCode != http.StatusOK || page.Header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("%s: %d", back, page.StatusCode)
	}
	return fields{"code": back.Query().Get("code"), "state": back.Query().Get("state")}
}

// TestDemoGoogleSignIn signs in with Google on the default settings.
func TestDemoGoogleSignIn(t *testing.T) {
	t.Parallel()
	i := start(t, apptest.Config(t, t.TempDir()))
	i.addCookieJar(t)
	if resp := i.Do(t, http.MethodGet, "/api/auth/providers", nil); !strings.Contains(string(resp.Data), `"google":true`) {
		t.Errorf("providers: %s", resp.Data)
	}
	params := i.googleSignIn(t, "ada@example.com")
	for _, request := range []struct {
		path   string
		body   any
		status int
	}{
		{"google-oauth", params, 200},
		{"google-oauth", params, 401},
		{"google-oauth", []byte("{"), 400},
		{"google-login", fields{"idToken": "x"}, 401},
		{"google-unlink", nil, 409},
	} {
		if resp := i.Do(t, http.MethodPost, "/api/auth/"+request.path, request.body); resp.StatusCode != request.status {
			t.Errorf("%s: %d, want %d: %s", request.path, resp.StatusCode, request.status, resp.Data)
		}
	}
	if resp := i.Do(t, http.MethodPost, "/api/auth/delete-account", fields{}); resp.StatusCode != http.StatusOK {
		t.Errorf("delete: %d %s", resp.StatusCode, resp.Data)
	}
	if err := i.Simulator().Script(simulator.Rule{Kind: simulator.KindToken, Fault: "wrong_client_secret", Times: 1}); err != nil {
		t.Fatal(err)
	}
	if resp := i.Do(t, http.MethodPost, "/api/auth/google-oauth", i.googleSignIn(t, "ada@example.com")); resp.StatusCode != http.StatusUnauthorized || !strings.Contains(string(resp.Data), "GOOGLE_CLIENT_SECRET") {
		t.Errorf("a wrong secret: %d %s", resp.StatusCode, resp.Data)
	}
	i.signUp(t, "ann@example.org", "correct horse")
	if resp := i.Do(t, http.MethodPost, "/api/auth/google-oauth", i.googleSignIn(t, "ann@example.org")); resp.StatusCode != http.StatusOK || !strings.Contains(string(resp.Data), `"hasGoogle":true`) {
		t.Errorf("link: %d %s", resp.StatusCode, resp.Data)
	}
	i.addCookieJar(t)
	i.signUp(t, "bob@example.org", "correct horse")
	i.addCookieJar(t)
	if resp := i.Do(t, http.MethodPost, "/api/auth/google-oauth", i.googleSignIn(t, "bob@example.org")); resp.StatusCode != http.StatusUnauthorized || !strings.Contains(string(resp.Data), "link_required") {
		t.Errorf("takeover: %d %s", resp.StatusCode, resp.Data)
	}
}

// TestGoogleConfigurations checks when sign-in with Google is available and with which redirect URL.
func TestGoogleConfigurations(t *testing.T) {
	t.Parallel()
	sim := simulatortest.Start(t)
	set := []string{"GOOGLE_CLIENT_ID=" + simulator.GoogleClientID, "GOOGLE_CLIENT_SECRET=" + simulator.GoogleClientSecret, "GOOGLE_ISSUER=" + sim.GoogleURL()}
	for name, c := range map[string]struct {
		variables []string
		host      string
		redirect  string // "" if sign-in is off; SELF is the URL of the instance.
	}{
		"demo":                              {nil, "", "SELF/auth/google/callback"},
		"demo on localhost":                 {nil, "localhost", "http://localhost:PORT/auth/google/callback"},
		"demo with a foreign host":          {[]string{"PUBLIC_HOSTS=*"}, "evil.example", "SELF/auth/google/callback"},
		"demo with a remote page":           {[]string{"FRONTEND_URL=https://page.example"}, "", ""},
		"demo on all addresses":             {[]string{"LISTEN_ADDR=0.0.0.0:0"}, "", ""},
		"no simulator":                      {[]string{"SIMULATOR=off"}, "", ""},
		"configured":                        {append([]string{"SIMULATOR=off"}, set...), "", "SELF/auth/google/callback"},
		"configured with FRONTEND_URL":      {append([]string{"FRONTEND_URL=https://page.example/,https://b.example"}, set...), "localhost", "https://page.example/auth/google/callback"},
		"configured with a redirect URI":    {append([]string{"FRONTEND_URL=https://page.example", "GOOGLE_REDIRECT_URI=https://page.example/oauth/back"}, set...), "", "https://page.example/oauth/back"},
		"redirect URI is a path of the API": {append([]string{"GOOGLE_REDIRECT_URI=https://page.example/docs"}, set...), "", "https://page.example/docs"},
		"redirect URI is the default path":  {append([]string{"GOOGLE_REDIRECT_URI=https://page.example/auth/google/callback"}, set...), "", "https://page.example/auth/google/callback"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := start(t, apptest.Config(t, t.TempDir(), c.variables...))
			i.addCookieJar(t)
			_, port, _ := strings.Cut(strings.TrimPrefix(i.URL(), "http://"), ":")
			if c.host == "" || c.redirect == "" {
				c.host = ""
			}
			resp := i.startGoogleSignIn(t, c.host, port)
			if c.redirect == "" {
				if resp.StatusCode != http.StatusUnauthorized || !strings.Contains(string(resp.Data), "GOOGLE_CLIENT_ID") {
					t.Errorf("%d %s", resp.StatusCode, resp.Data)
				}
				return
			}
			address, err := url.Parse(resp.Header.Get("Location"))
			if err != nil {
				t.Fatal(err)
			}
			want := strings.NewReplacer("SELF", i.URL(), "PORT", port).Replace(c.redirect)
			if got := address.Query().Get("redirect_uri"); got != want {
				t.Errorf("redirect_uri %q, want %q", got, want)
			}
			u, err := url.Parse(want)
			if err != nil {
				t.Fatal(err)
			}
			// The page offers Google only on this origin.
			origin := u.Scheme + "://" + u.Host
			if u.Path == "/docs" {
				origin = ""
			}
			if got := i.providers(t, c.host, port); got.ReturnOrigins["google"] != origin || !got.Providers["google"] {
				t.Errorf("providers %+v, want origin %q", got, origin)
			}
			if page := i.exchange(t, i.hostRequest(t, u.Path, "", "")); page.StatusCode != http.StatusOK {
				t.Errorf("%s: %d", u.Path, page.StatusCode)
			}
		})
	}
}

// providers returns the sign-in providers for requests to a host; "" is the host of the instance.
func (i *instance) providers(t testing.TB, host, port string) (list struct {
	Providers     map[string]bool
	ReturnOrigins map[string]string
},
) {
	t.Helper()
	i.exchange(t, i.hostRequest(t, "/api/auth/providers", host, port)).Decode(t, &list)
	return list
}

// startGoogleSignIn begins a sign-in by a request to a host; "" is the host of the instance.
func (i *instance) startGoogleSignIn(t testing.TB, host, port string) apptest.Response {
	t.Helper()
	return i.exchange(t, i.hostRequest(t, "/api/auth/google", host, port))
}

// hostRequest returns a GET request to a host; "" is the host of the instance.
func (i *instance) hostRequest(t testing.TB, path, host, port string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.Replace(i.URL(), "[::]", "127.0.0.1", 1)+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if host != "" {
		req.Host = host + ":" + port
	}
	return req
}

func (i *instance) exchange(t testing.TB, req *http.Request) apptest.Response {
	t.Helper()
	resp, err := i.Client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body := make([]byte, 4096)
	n, _ := resp.Body.Read(body)
	return apptest.Response{Response: resp, Data: body[:n]}
}

func TestGoogleSettings(t *testing.T) {
	t.Parallel()
	for variables, fault := range map[string]string{
		"GOOGLE_CLIENT_ID=a":          "GOOGLE_CLIENT_SECRET",
		"GOOGLE_CLIENT_SECRET=secret": "GOOGLE_CLIENT_ID",
		"GOOGLE_CLIENT_ID=a GOOGLE_CLIENT_SECRET=secret LISTEN_ADDR=0.0.0.0:1":                                     "GOOGLE_REDIRECT_URI",
		"GOOGLE_CLIENT_ID=a GOOGLE_CLIENT_SECRET=secret LISTEN_ADDR=0.0.0.0:1 FRONTEND_URL=https://x.org":          "",
		"GOOGLE_CLIENT_ID=a GOOGLE_CLIENT_SECRET=secret LISTEN_ADDR=0.0.0.0:1 GOOGLE_REDIRECT_URI=https://x.org/b": "",
		"GOOGLE_CLIENT_ID=a GOOGLE_CLIENT_SECRET=secret":                                                           "",
	} {
		_, err := app.Load(append(strings.Fields(variables), "DATA_DIR="+t.TempDir()))
		if text := fmt.Sprint(err); (fault == "") != (err == nil) || !strings.Contains(text, fault) || strings.Contains(text, "=secret") {
			t.Errorf("%s: %v", variables, err)
		}
	}
}
