package server_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/contracttest"
	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
)

// fuzzed is a server that gets arbitrary bodies and queries on every route that changes something, as a member and as the operator.
type fuzzed struct {
	*bundle
	ann    *session
	table  map[string]accessCase
	routes []string
	sent   int
}

func newFuzzed(t testing.TB) *fuzzed {
	b := setup(t, behindProxy, simulatedGoogle(simulatortest.Start(t)), func(cfg *server.Config, _ *server.Deps) {
		cfg.AdminKey, cfg.MaxSignups, cfg.MaxActiveMember, cfg.SyncWait = adminKey, 0, 0, 1
	})
	z := &fuzzed{bundle: b, ann: b.signUp(t, annEmail), table: accessCases()}
	// The example switches this off, which would stop every submission if it were `accept`.
	z.table["POST /api/admin/switches/:name"] = sameForAll(200, "/api/admin/switches/metrics", fields{"value": "on"})
	for route := range z.table {
		if method, _, _ := strings.Cut(route, " "); method == http.MethodPost || method == http.MethodDelete || method == http.MethodPut {
			z.routes = append(z.routes, route)
		}
	}
	slices.Sort(z.routes)
	return z
}

// send sends a request from an address of its own and checks that the response is as the contract describes it, that errors have a
// sentence, and that it is no failure of the server.
func (z *fuzzed) send(t testing.TB, route string, body []byte, query string) *httptest.ResponseRecorder {
	t.Helper()
	z.sent++
	r := httptest.NewRequestWithContext(t.Context(), strings.Fields(route)[0], z.table[route].path, strings.NewReader(string(body)))
	r.URL.RawQuery = query
	r.RemoteAddr = fmt.Sprintf("10.%d.%d.%d:1", z.sent>>16&255, z.sent>>8&255, z.sent&255)
	r.Header.Set("Authorization", "Bearer "+z.ann.Token)
	r.Header.Set("X-Admin-Key", adminKey)
	r.Header.Set("Prefer", "respond-async")
	w := httptest.NewRecorder()
	z.server.Handler().ServeHTTP(w, r)
	var got struct{ Error any }
	if err := json.Unmarshal(w.Body.Bytes(), &got); w.Code != http.StatusNoContent && err != nil {
		t.Fatalf("%s: %d %q", route, w.Code, w.Body)
	}
	sentence, _ := got.Error.(string)
	if e, ok := got.Error.(map[string]any); ok { // In the shape of OpenAI.
		sentence, _ = e["message"].(string)
	}
	if w.Code >= 500 || (w.Code >= 400 && sentence == "") {
		t.Errorf("%s with %.300q: %d %s", route, body, w.Code, w.Body)
	}
	checkContract(t, r, w.Result(), w.Body.Bytes())
	return w
}

// FuzzBodies sends arbitrary bodies and queries, beginning with the examples of the contract.
// Responses are JSON as the contract describes it, and never say that the server failed.
func FuzzBodies(f *testing.F) {
	z := newFuzzed(f)
	for i, route := range z.routes {
		body, err := json.Marshal(z.table[route].body)
		must(f, err)
		if text, ok := z.table[route].body.(string); ok {
			body = []byte(text)
		}
		f.Add(uint8(i), body, "")
		f.Add(uint8(i), []byte(`{"email":null,"password":{"a":[1e999]},"username":"\ud800","token":"\u0000","newPassword":7,"everywhere":"yes"}`), "x=1&x=2;%zz")
		f.Add(uint8(i), []byte(`{"kind":"image","code":"\u0000","owner":"*.>","since":"9999-99-99","all":"true","limit":-1e400,"cursor":"AA","seconds":1e308,"reason":null}`), "force=true")
	}
	f.Add(uint8(0), []byte("\xef\xbb\xbf{"), "%")
	for _, e := range examples(f) {
		i, _ := slices.BinarySearch(z.routes, routeOfExample(e))
		f.Add(uint8(i), e.Body, "")
	}
	f.Fuzz(func(t *testing.T, which uint8, body []byte, query string) {
		route := z.routes[int(which)%len(z.routes)]
		if strings.HasSuffix(route, "/logout") {
			return // It would revoke the token of the other requests; its decoder is that of retry.
		}
		z.send(t, route, body, query)
	})
}

// TestExamplesAreUnderstood sends the examples of the contract to the server, which may only dislike a token, a password or an ID that
// it does not know, and what is invalid next to them.
func TestExamplesAreUnderstood(t *testing.T) {
	t.Parallel()
	z := newFuzzed(t)
	wrong := []string{"invalid_request", "invalid_json", "body_required", "unsupported_media_type", "invalid_picture"}
	for _, e := range examples(t) {
		route := routeOfExample(e)
		if !slices.Contains(z.routes, route) {
			t.Errorf("%s is not among the routes that are fuzzed", route)
			continue
		}
		w := z.send(t, route, e.Body, "")
		var got struct {
			Code  string
			Error any
		}
		must(t, json.Unmarshal(w.Body.Bytes(), &got))
		_, openAI := got.Error.(map[string]any)
		if slices.Contains(wrong, got.Code) || openAI {
			t.Errorf("%s rejects the example %s of the contract: %d %s", route, e.Name, w.Code, w.Body)
		}
		if strings.HasSuffix(route, "/logout") {
			break // It is the last, and has revoked the token.
		}
		for _, body := range mutations(e.Body) {
			z.send(t, route, body, "")
		}
		if route == "PUT /api/usage/budget" {
			z.send(t, route, []byte("{}"), "") // Other examples have models without a price.
		}
	}
}

// examples returns the examples of requests in the contract, the one that signs out last.
func examples(t testing.TB) []contracttest.Request {
	t.Helper()
	c, err := contract()
	must(t, err)
	list := c.Requests(t)
	i := slices.IndexFunc(list, func(r contracttest.Request) bool { return strings.HasSuffix(r.Path, "/logout") })
	signOut := list[i]
	list = append(slices.Delete(list, i, i+1), signOut)
	return list
}

var pathParameter = regexp.MustCompile(`\{(\w+)\}`)

// routeOfExample returns the route of an example in the notation of Gin.
func routeOfExample(e contracttest.Request) string {
	return e.Method + " " + pathParameter.ReplaceAllString(e.Path, ":$1")
}

// mutations returns variants of a body: each value in it replaced by others, removed, and beside an unknown field.
func mutations(body []byte) [][]byte {
	var list [][]byte
	var whole any
	_ = json.Unmarshal(body, &whole)
	add := func() {
		data, _ := json.Marshal(whole)
		list = append(list, data)
	}
	others := []any{nil, true, -1, 0.5, 1e300, "", "\x00", strings.Repeat("é", 5000), []any{}, []any{nil, map[string]any{}}, map[string]any{"a": 1}}
	var walk func(value any)
	walk = func(value any) {
		m, ok := value.(map[string]any)
		if !ok {
			return
		}
		for _, key := range slices.Sorted(maps.Keys(m)) {
			was := m[key]
			walk(was)
			for _, other := range others {
				m[key] = other
				add()
			}
			delete(m, key)
			add()
			m[key] = was
		}
		m["unknown"] = 1
		add()
		delete(m, "unknown")
	}
	walk(whole)
	return list
}
