package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
)

// FuzzBodies sends arbitrary bodies and queries to every route that changes something, as a member and as the operator.
// Responses are JSON and never have status 500.
func FuzzBodies(f *testing.F) {
	b := setup(f, behindProxy, simulatedGoogle(simulatortest.Start(f)), func(cfg *server.Config, _ *server.Deps) {
		cfg.AdminKey, cfg.MaxSignups, cfg.MaxActiveMember, cfg.SyncWait = adminKey, 0, 0, 1
	})
	ann := b.signUp(f, annEmail)
	table := accessCases()
	var routes []string
	for route := range table {
		if strings.HasPrefix(route, http.MethodPost) || strings.HasPrefix(route, http.MethodDelete) {
			routes = append(routes, route)
		}
	}
	slices.Sort(routes)
	for i, route := range routes {
		body, err := json.Marshal(table[route].body)
		must(f, err)
		if text, ok := table[route].body.(string); ok {
			body = []byte(text)
		}
		f.Add(uint8(i), body, "")
		f.Add(uint8(i), []byte(`{"email":null,"password":{"a":[1e999]},"username":"\ud800","token":"\u0000","newPassword":7,"everywhere":"yes"}`), "x=1&x=2;%zz")
		f.Add(uint8(i), []byte(`{"kind":"image","code":"\u0000","owner":"*.>","since":"9999-99-99","all":"true","limit":-1e400,"cursor":"AA","seconds":1e308,"reason":null}`), "force=true")
	}
	f.Add(uint8(0), []byte("\xef\xbb\xbf{"), "%")
	n := 0
	f.Fuzz(func(t *testing.T, which uint8, body []byte, query string) {
		route := routes[int(which)%len(routes)]
		if strings.HasSuffix(route, "/logout") {
			return // It would revoke the token of the other requests; its decoder is that of retry.
		}
		n++
		r := httptest.NewRequestWithContext(t.Context(), strings.Fields(route)[0], table[route].path, strings.NewReader(string(body)))
		r.URL.RawQuery = query
		r.RemoteAddr = fmt.Sprintf("10.%d.%d.%d:1", n>>16&255, n>>8&255, n&255)
		r.Header.Set("Authorization", "Bearer "+ann.Token)
		r.Header.Set("X-Admin-Key", adminKey)
		r.Header.Set("Prefer", "respond-async")
		w := httptest.NewRecorder()
		b.server.Handler().ServeHTTP(w, r)
		var got struct{ Error any }
		sentence := func() string {
			text, _ := got.Error.(string)
			if e, ok := got.Error.(map[string]any); ok { // In the shape of OpenAI.
				text, _ = e["message"].(string)
			}
			return text
		}
		if err := json.Unmarshal(w.Body.Bytes(), &got); w.Code != http.StatusNoContent && err != nil {
			t.Fatalf("%s: %d %q", route, w.Code, w.Body)
		}
		if w.Code == http.StatusInternalServerError || (w.Code >= 400 && sentence() == "") {
			t.Errorf("%s with %q: %d %s", route, body, w.Code, w.Body)
		}
	})
}
