package app_test

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/app"
	"github.com/text2image-audio/text2image-audio/api/app/apptest"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
)

// TestStuckConnectionDoesNotDelayWorkerStop stops a process while a client never completes its request and a job runs. The
// connection is closed and the worker still has time to return the job to the queue.
func TestStuckConnectionDoesNotDelayWorkerStop(t *testing.T) {
	t.Parallel()
	// Long enough for a busy machine to close the store in the share of it that is left for that.
	const limit = 20 * time.Second
	cfg := apptest.Config(t, t.TempDir(), "STOP_TIMEOUT="+limit.String(), "WORKER_SOFT_STOP=500ms")
	i := run(t, cfg)
	if err := i.Simulator().Script(simulator.Rule{Kind: simulator.KindImage, Hold: true}); err != nil {
		t.Fatal(err)
	}
	i.Submit(t, fields{"kind": "image", "input": fields{"prompt": "a cat"}})
	i.awaitCalls(t, 1)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", i.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	// 100 Continue shows that the handler waits for the body.
	if _, err := io.WriteString(conn, "POST /api/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n"))); err != nil {
		t.Fatal(err)
	}
	i.Client.CloseIdleConnections()
	began := time.Now()
	err = i.Stop(context.WithoutCancel(t.Context()))
	if took := time.Since(began); took > limit {
		t.Errorf("the stop took %v", took)
	}
	if err != nil {
		t.Errorf("the stop failed: %v", err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(hang))
	if rest, err := io.ReadAll(conn); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("the connection is still open: %q, %v", rest, err)
	}
}

// TestFailedStartStopsTheMetricsServer makes a start fail after the metrics server has opened its port: the second start fails
// because the metrics of the queue are registered already.
func TestFailedStartStopsTheMetricsServer(t *testing.T) {
	t.Parallel()
	metrics := freeAddress(t)
	a, err := app.New(apptest.Config(t, t.TempDir(), "METRICS_ENABLED=on", "METRICS_ADDR="+metrics), discard())
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.Stop(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	if err := a.Start(t.Context()); err == nil {
		_ = a.Stop(context.WithoutCancel(t.Context()))
		t.Fatal("the second start did not fail")
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", metrics)
	if err != nil {
		t.Fatalf("the metrics port is still open: %v", err)
	}
	_ = listener.Close()
}
