package upstream_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

// serveEndless starts a server whose responses never end, and returns its URL and a client for it.
func serveEndless(t *testing.T, http2 bool) (base string, client *http.Client) {
	t.Helper()
	block := make([]byte, 64<<10)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}))
	transport := upstream.NewTransport(upstream.Options{Slots: 64})
	if server.EnableHTTP2 = http2; http2 {
		server.StartTLS()
		trust, is := server.Client().Transport.(*http.Transport)
		if !is {
			t.Fatal("test server has no transport")
		}
		transport.TLSClientConfig = trust.TLSClientConfig.Clone()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	t.Cleanup(transport.CloseIdleConnections)
	return server.URL, &http.Client{Transport: transport}
}

// peakOf returns the peak memory of objects on the heap while work runs.
func peakOf(work func()) uint64 {
	runtime.GC()
	const pause = 2 * time.Millisecond
	var peak uint64
	stop := make(chan struct{})
	var sampler sync.WaitGroup
	sampler.Go(func() {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		for {
			metrics.Read(sample)
			peak = max(peak, sample[0].Value.Uint64())
			select {
			case <-stop:
				return
			case <-time.After(pause):
			}
		}
	})
	work()
	close(stop)
	sampler.Wait()
	return peak
}

// TestMemoryIsBounded reads 64 endless bodies at once. Without a budget they take more than half a gigabyte.
//
//nolint:paralleltest // The memory of other tests would be counted as well.
func TestMemoryIsBounded(t *testing.T) {
	const calls, limit, budget, most = 64, 8 << 20, 16 << 20, 256 << 20
	// The bound holds for the default, whatever GOGC is for the tests.
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	for name, http2 := range map[string]bool{"HTTP/1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			base, client := serveEndless(t, http2)
			caller := &upstream.Caller{Upstream: "u", HTTP: client, Budget: upstream.NewBudget(budget)}
			request := upstream.Request{Method: http.MethodGet, URL: base, MaxBytes: limit}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			peak := peakOf(func() {
				var wg sync.WaitGroup
				for range calls {
					wg.Go(func() {
						err := caller.Do(ctx, request, func(resp *upstream.Response) error {
							_, err := resp.ReadAll()
							return err
						})
						f, is := err.(*fault.Error) //nolint:errorlint // Do returns a *fault.Error or nothing.
						if !is || f.Class != fault.Retryable || f.Code != job.CodeInvalidAnswer {
							t.Errorf("got %v", err)
						}
					})
				}
				wg.Wait()
			})
			t.Logf("peak of %d MiB", peak>>20)
			if peak > most {
				t.Errorf("peak of %d MiB, want at most %d", peak>>20, most>>20)
			}
		})
	}
}
