package google_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/wiretest"
)

func newFuzzed(f *testing.F) *simulator.Simulator {
	f.Helper()
	s := simulator.New(simulator.Config{})
	f.Cleanup(func() { _ = s.Stop(f.Context()) })
	return s
}

// serve serves a request. Earlier calls are forgotten, so that they do not accumulate.
func serve(t *testing.T, s *simulator.Simulator, method, path, query, form string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	s.ForgetCalls()
	return wiretest.Serve(t, s.Handler(), method, path, query, form, append(header, "Content-Type", formType)...)
}

// FuzzGoogleAuthorize sends any query and form to the consent page. The response is a
// page, or a redirect to this machine with the state of the request.
func FuzzGoogleAuthorize(f *testing.F) {
	_, good, _ := strings.Cut(authQuery(), "?")
	f.Add(good, "decision=allow&email=ada%40example.com")
	f.Add(good+"&prompt=none", "decision=deny")
	f.Add("client_id=x&redirect_uri=https%3A%2F%2Fevil.example&response_type=code&scope=openid", "decision=allow")
	f.Add(good+"&state=2", "account=1&name=%00&verified=no&sub=%zz")
	f.Add("redirect_uri=http://127.0.0.1/%0d%0aSet-Cookie:x;&%", "decision=allow&decision=deny")
	s := newFuzzed(f)
	f.Fuzz(func(t *testing.T, query, form string) {
		sent, _ := url.ParseQuery(query)
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			recorder := serve(t, s, method, "/google/o/oauth2/v2/auth", query, form)
			location := recorder.Header().Get("Location")
			if recorder.Code != http.StatusFound {
				if location != "" || recorder.Code >= 500 || !strings.HasPrefix(recorder.Header().Get("Content-Type"), "text/html") {
					t.Fatalf("status %d, location %q: %s", recorder.Code, location, recorder.Body)
				}
				continue
			}
			to, err := url.Parse(location)
			if err != nil {
				t.Fatalf("%q: %v", location, err)
			}
			if host, _ := netip.ParseAddr(to.Hostname()); to.Hostname() != "localhost" && !host.Unmap().IsLoopback() {
				t.Fatalf("redirected to %q", location)
			}
			if state := sent.Get("state"); state != "" && !slices.Contains(to.Query()["state"], state) {
				t.Fatalf("the state %q became %q", state, location)
			}
		}
	})
}

// FuzzGoogleToken sends any form and credentials to the token route. Without an
// issued code, every request is rejected.
func FuzzGoogleToken(f *testing.F) {
	f.Add("grant_type=authorization_code&code=4%2F0A&client_id="+simulator.GoogleClientID+"&client_secret="+simulator.GoogleClientSecret, "")
	f.Add("grant_type=refresh_token&refresh_token=1%2F%2F0", "Basic c2ltdWxhdGVkLWNsaWVudC5hcHBzLmdvb2dsZXVzZXJjb250ZW50LmNvbTpzaW11bGF0ZWQtc2VjcmV0")
	f.Add("grant_type=authorization_code&code=a&code=b;%", "Basic %")
	f.Add("{}", "Bearer x")
	s := newFuzzed(f)
	f.Fuzz(func(t *testing.T, form, credentials string) {
		for _, path := range []string{"/google/token", "/google/revoke"} {
			recorder := serve(t, s, http.MethodPost, path, "", form, "Authorization", credentials)
			var failure struct {
				Error string `json:"error"`
			}
			err := json.Unmarshal(recorder.Body.Bytes(), &failure)
			if (recorder.Code != http.StatusBadRequest && recorder.Code != http.StatusUnauthorized) || err != nil || failure.Error == "" {
				t.Fatalf("status %d: %q", recorder.Code, recorder.Body)
			}
		}
	})
}
