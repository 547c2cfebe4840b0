// Package upstreamtest has helpers for the tests of upstream clients: HTTP clients, a simulator, and assertions about a
// *fault.Error.
package upstreamtest

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

const (
	// Key is the API key of clients in tests; no error may contain it.
	Key = "sk_canary_key_5f1e"
	// SecretWord is a word of every test prompt; no error may contain it.
	SecretWord = "yellow"
)

// HTTP returns a client with its own transport, whose connections are closed after the test.
func HTTP(t testing.TB) *http.Client {
	t.Helper()
	transport := upstream.NewTransport(upstream.Options{})
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// Simulate starts a simulator and returns it with a client for it. The connections are closed before the simulator stops,
// since its stop would wait for unused ones.
func Simulate(t testing.TB) (*simulator.Simulator, *http.Client) {
	t.Helper()
	sim := simulatortest.Start(t)
	return sim, HTTP(t)
}

// Error returns err as a *fault.Error.
func Error(t testing.TB, err error) *fault.Error {
	t.Helper()
	f, is := errors.AsType[*fault.Error](err)
	if !is {
		t.Fatalf("got %v, want a *fault.Error", err)
	}
	return f
}

// RequireError asserts the class and the code of an error, and that it contains no secret.
func RequireError(t testing.TB, err error, class fault.Class, code string) {
	t.Helper()
	f := Error(t, err)
	if f.Class != class || f.Code != code {
		t.Errorf("got %s %s (%v), want %s %s", f.Class, f.Code, err, class, code)
	}
	RequireNoSecret(t, f)
}

// RequireNoSecret asserts that an error contains neither Key nor SecretWord nor a URL.
func RequireNoSecret(t testing.TB, f *fault.Error) {
	t.Helper()
	for _, text := range []string{f.Error(), f.Detail, f.RequestID} {
		if strings.Contains(text, SecretWord) || strings.Contains(text, Key) || strings.Contains(text, "http://") {
			t.Errorf("%q contains a secret or a URL", text)
		}
	}
}

// Verdict is the expected classification of a fault of the simulator.
type Verdict struct {
	Class fault.Class
	Code  string
	// Silent is set if the simulator sends nothing until the client's idle time-out ends the call.
	Silent bool
}

// The verdicts.
var (
	Unavailable    = Verdict{Class: fault.Retryable, Code: job.CodeUnavailable}
	Invalid        = Verdict{Class: fault.Retryable, Code: job.CodeInvalidAnswer}
	TimedOut       = Verdict{Class: fault.Retryable, Code: job.CodeTimeout, Silent: true}
	GatewayTimeout = Verdict{Class: fault.Retryable, Code: job.CodeTimeout}
	Throttled      = Verdict{Class: fault.Throttled, Code: job.CodeThrottled}
	Rejected       = Verdict{Class: fault.Permanent, Code: job.CodeRejected}
	Reference      = Verdict{Class: fault.Permanent, Code: job.CodeReference}
	Moderated      = Verdict{Class: fault.Moderated, Code: job.CodeModerated}
	Misconfigured  = Verdict{Class: fault.Misconfigured, Code: job.CodeMisconfigured}
)

// EachFault runs a subtest for every fault of the simulator, with the expected verdict, nil if there is none. The idle
// time-out is for the client; 0 means the default. It fails if the simulator does not have a fault in want.
func EachFault(t *testing.T, want map[string]Verdict, test func(ctx context.Context, t *testing.T, rule simulator.Rule, idle time.Duration, want *Verdict)) {
	t.Helper()
	names := simulatortest.Start(t).FaultNames()
	for name := range want {
		if !slices.Contains(names, name) {
			t.Errorf("the simulator has no fault %q", name)
		}
	}
	for _, name := range slices.Sorted(slices.Values(names)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			if name == "hang" {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 100*time.Millisecond)
				defer cancel()
			}
			var verdict *Verdict
			idle := time.Duration(0)
			if v, ok := want[name]; ok {
				if verdict = &v; v.Silent {
					idle = 200 * time.Millisecond
				}
			}
			test(ctx, t, simulator.Rule{Fault: name}, idle, verdict)
		})
	}
}
