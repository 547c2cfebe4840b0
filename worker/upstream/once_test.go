package upstream_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

// A call whose connection ends without a response is sent only once, whatever its method and the number of kept-alive
// connections: retries belong to the caller, who counts attempts.
func TestDroppedCallIsSentOnce(t *testing.T) {
	t.Parallel()
	const kept = 6
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			var gathered sync.WaitGroup
			var dropped atomic.Int32
			base := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/drop") {
					dropped.Add(1)
					panic(http.ErrAbortHandler)
				}
				gathered.Done()
				gathered.Wait()
				_, _ = io.WriteString(w, "good")
			})
			transport := upstream.NewTransport(upstream.Options{Slots: kept})
			t.Cleanup(transport.CloseIdleConnections)
			c := upstream.Caller{HTTP: &http.Client{Transport: transport}}
			gathered.Add(kept)
			var calls sync.WaitGroup
			for range kept {
				calls.Go(func() {
					var body []byte
					if err := c.Do(t.Context(), newRequest(base+"/good"), readAll(&body)); err != nil {
						t.Error(err)
					}
				})
			}
			calls.Wait()
			request := upstream.Request{Method: method, URL: base + "/drop", MaxBytes: 100}
			if method == http.MethodPost {
				request.JSON = []byte("{}")
			}
			var body []byte
			err := c.Do(t.Context(), request, readAll(&body))
			f, is := errors.AsType[*fault.Error](err)
			if !is || f.Class != fault.Retryable || f.Code != job.CodeUnavailable || f.Status != 0 {
				t.Errorf("error %+v", err)
			}
			if got := dropped.Load(); got != 1 {
				t.Errorf("sent %d times, want once", got)
			}
		})
	}
}
