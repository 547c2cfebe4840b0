package simulator_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/wiretest"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
)

// sample is a request that succeeds.
type sample struct {
	kind               simulator.Kind
	method, path, body string
}

// googlePage is a valid authorization.
const googlePage = "/google/o/oauth2/v2/auth?response_type=code&scope=openid&client_id=" + simulator.GoogleClientID +
	"&redirect_uri=http%3A%2F%2F127.0.0.1%2Fcallback"

func samples() map[string]sample {
	return map[string]sample{
		"image":   {simulator.KindImage, http.MethodGet, "/image/a%20cat?width=64&height=64", ""},
		"speech":  {simulator.KindSpeech, http.MethodPost, "/v1/audio/speech", `{"input":"hello there"}`},
		"chat":    {simulator.KindChat, http.MethodPost, "/deepseek/chat/completions", wiretest.ChatBody(wiretest.Quiet, wiretest.Improver, "a cat")},
		"stream":  {simulator.KindChat, http.MethodPost, "/deepseek/chat/completions", wiretest.ChatBody(`"stream":true,`+wiretest.Quiet, wiretest.Improver, "a cat")},
		"gateway": {simulator.KindChat, http.MethodPost, "/v1/chat/completions", `{"messages":[{"role":"user","content":"hello"}]}`},
		"balance": {simulator.KindAccount, http.MethodGet, "/account/balance", ""},

		"legacy image":  {simulator.KindImage, http.MethodGet, "/legacy-image/prompt/a%20cat?width=64&height=64", ""},
		"legacy text":   {simulator.KindChat, http.MethodGet, "/legacy-text/hello", ""},
		"legacy chat":   {simulator.KindChat, http.MethodPost, "/legacy-text/openai", `{"messages":[{"role":"user","content":"hello"}]}`},
		"legacy speech": {simulator.KindSpeech, http.MethodGet, "/legacy-text/hello%20there?model=openai-audio&voice=nova", ""},
		"spoken chat":   {simulator.KindSpeech, http.MethodPost, "/legacy-text/openai", wiretest.SpokenBody("hello there")},
		"siliconflow":   {simulator.KindChat, http.MethodPost, "/siliconflow/v1/chat/completions", wiretest.SiliconFlowBody("", "a cat")},

		"google page":     {simulator.KindAuthorize, http.MethodGet, googlePage, ""},
		"google keys":     {simulator.KindCerts, http.MethodGet, "/google/oauth2/v3/certs", ""},
		"google document": {simulator.KindDiscovery, http.MethodGet, "/google/.well-known/openid-configuration", ""},
	}
}

// expected is the response of a fault; zero fields are not checked.
type expected struct {
	sample      string // image when empty
	status      int
	contentType string // a prefix
	part        string // of the body
	header      [2]string
	broken      bool // the response is incomplete
	check       func(*testing.T, wiretest.Response)
}

const jsonType, htmlType, textType = "application/json", "text/html", "text/plain"

func finished(reason string, empty bool) func(*testing.T, wiretest.Response) {
	return func(t *testing.T, a wiretest.Response) {
		t.Helper()
		fields := a.Fields(t)
		content := wiretest.At(t, fields, "choices", 0, "message", "content")
		if got := wiretest.At(t, fields, "choices", 0, "finish_reason"); got != reason || (content == "") != empty {
			t.Errorf("finish_reason %v, content %q", got, content)
		}
	}
}

func isEmpty(t *testing.T, a wiretest.Response) {
	t.Helper()
	if len(a.Body) > 0 {
		t.Errorf("%d bytes", len(a.Body))
	}
}

// endlessFaults returns the faults whose response never ends.
func endlessFaults() []string {
	return []string{"hang", "stalled", "silent_stream", "endless_keepalive", "endless_body"}
}

func TestEveryFault(t *testing.T) {
	t.Parallel()
	table := faultTable()
	for _, more := range []map[string][]expected{legacyFaultTable(), siliconFlowFaultTable(), googleFaultTable()} {
		for name, expectations := range more {
			table[name] = append(table[name], expectations...)
		}
	}
	for _, name := range simulatortest.Start(t).FaultNames() {
		if name == "access_denied" || strings.HasPrefix(name, "id_token_") {
			continue // TestEveryIDToken of package google looks at it.
		}
		if _, ok := table[name]; !ok && !slices.Contains(endlessFaults(), name) {
			t.Errorf("the fault %s is not in the table", name)
		}
	}
	for name, expectations := range table {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, want := range expectations {
				if want.sample == "" {
					want.sample = "image"
				}
				s := simulatortest.Start(t) // Each has its own cache.
				ask := samples()[want.sample]
				simulatortest.Script(t, s, simulator.Rule{Kind: ask.kind, Fault: name, Times: 1})
				a := wiretest.Send(t.Context(), ask.method, s.URL()+ask.path, ask.body)
				if (a.Err != nil) != want.broken {
					t.Errorf("%s: %v", want.sample, a.Err)
					continue
				}
				if want.status != 0 && a.Status != want.status {
					t.Errorf("%s: status %d, want %d", want.sample, a.Status, want.status)
				}
				if !strings.HasPrefix(a.Header.Get("Content-Type"), want.contentType) {
					t.Errorf("%s: %s", want.sample, a.Header.Get("Content-Type"))
				}
				if !strings.Contains(string(a.Body), want.part) {
					t.Errorf("%s: %.300s", want.sample, a.Body)
				}
				if h := want.header; h[0] != "" && a.Header.Get(h[0]) != h[1] {
					t.Errorf("%s: %s is %q", want.sample, h[0], a.Header.Get(h[0]))
				}
				if want.check != nil {
					want.check(t, a)
				}
				// The rule applied once: the next request succeeds.
				if after := wiretest.Complete(t, wiretest.Send(t.Context(), ask.method, s.URL()+ask.path, ask.body)); after.Status != http.StatusOK {
					t.Errorf("%s: afterwards status %d", want.sample, after.Status)
				}
			}
		})
	}
}

// TestEndlessFaults waits for the first byte, if there is one, cancels the request,
// and checks that the simulator detects it.
func TestEndlessFaults(t *testing.T) {
	t.Parallel()
	for _, name := range endlessFaults() {
		for _, kind := range []string{"image", "speech", "chat", "stream"} {
			if ask := samples()[kind]; ask.kind != simulator.KindChat && (name == "silent_stream" || name == "endless_keepalive") {
				continue
			}
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				s := simulatortest.Start(t)
				ask := samples()[kind]
				simulatortest.Script(t, s, simulator.Rule{Fault: name})
				ctx, cancelRequest := context.WithCancel(t.Context())
				request, err := http.NewRequestWithContext(ctx, ask.method, s.URL()+ask.path, strings.NewReader(ask.body))
				if err != nil {
					t.Fatal(err)
				}
				request.Header.Set("Authorization", "Bearer sk_test")
				transport := &http.Transport{DisableKeepAlives: true}
				started, ended := make(chan error, 1), make(chan error, 1)
				go func() {
					response, err := transport.RoundTrip(request)
					if err != nil {
						started <- err
						ended <- err
						return
					}
					defer response.Body.Close() //nolint:errcheck // It never ends well.
					_, err = response.Body.Read(make([]byte, 1))
					started <- err
					_, err = io.Copy(io.Discard, response.Body)
					ended <- err
				}()
				simulatortest.WaitCalls(t, s, ask.kind, 1)
				if name != "hang" {
					if err := <-started; err != nil {
						t.Errorf("no first byte: %v", err)
					}
				}
				// The response must not end by itself.
				soon, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
				defer cancel()
				if s.WaitFinished(soon, ask.kind, 1) == nil {
					t.Error("the response ended by itself")
				}
				cancelRequest()
				if err := <-ended; !errors.Is(err, context.Canceled) {
					t.Errorf("the client got %v", err)
				}
				simulatortest.WaitFinished(t, s, ask.kind, 1)
				if call := s.Calls(ask.kind)[0]; call.Outcome != simulator.OutcomeAborted {
					t.Errorf("outcome %s", call.Outcome)
				}
			})
		}
	}
}

// TestStopEndsHangingRequests stops the simulator while one request hangs and one is held.
func TestStopEndsHangingRequests(t *testing.T) {
	t.Parallel()
	s := simulator.New(simulator.Config{})
	if err := s.Start(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	simulatortest.Script(t, s, simulator.Rule{Kind: simulator.KindChat, Fault: "hang"}, simulator.Rule{Kind: simulator.KindImage, Hold: true})
	responses := make(chan wiretest.Response, 2)
	for _, name := range []string{"chat", "image"} {
		ask := samples()[name]
		go func() { responses <- wiretest.Send(t.Context(), ask.method, s.URL()+ask.path, ask.body) }()
		simulatortest.WaitCalls(t, s, ask.kind, 1)
	}
	simulatortest.WaitHeld(t, s, 1)
	ctx, cancel := context.WithTimeout(t.Context(), wiretest.Timeout)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Error(err)
	}
	for range 2 {
		if a := <-responses; a.Err == nil && a.Status == http.StatusOK {
			t.Errorf("unexpected response: status %d", a.Status)
		}
	}
}
