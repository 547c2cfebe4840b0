package upstream_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

// TestLargeAnswersTakeTurns has many bodies that never end come at once.
func TestLargeAnswersTakeTurns(t *testing.T) {
	t.Parallel()
	const bound, turns, calls = 12 << 20, 2, 12
	var sent atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		block := make([]byte, 64<<10)
		for {
			n, err := w.Write(block)
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	}))
	t.Cleanup(server.Close)
	client := &http.Client{Transport: upstream.NewTransport(upstream.Options{Slots: calls})}
	t.Cleanup(client.CloseIdleConnections)
	caller := &upstream.Caller{Upstream: "u", HTTP: client, Large: make(chan struct{}, turns)}
	var reading, most atomic.Int64
	var wg sync.WaitGroup
	for range calls {
		wg.Go(func() {
			err := caller.Do(t.Context(), upstream.Request{Method: http.MethodGet, URL: server.URL, MaxAnswer: bound}, func(a *upstream.Answer) error {
				most.Store(max(most.Load(), reading.Add(1)))
				defer reading.Add(-1)
				_, err := a.ReadAll()
				return err
			})
			fault, ok := err.(*upstream.Fault) //nolint:errorlint // Do returns a *Fault or nothing.
			if !ok || fault.Code != upstream.CodeTooLarge {
				t.Errorf("got %v", err)
			}
		})
	}
	wg.Wait()
	if most.Load() <= turns {
		t.Errorf("only %d answers were under way at once", most.Load())
	}
	if len(caller.Large) != 0 {
		t.Errorf("%d turns were not given back", len(caller.Large))
	}
}
