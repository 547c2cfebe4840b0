package server_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// rawStream opens an event stream on a connection of its own and reads up to the first event. Unlike an http.Client it costs
// hardly any memory, so that a test can measure that of the server.
func (b *bundle) rawStream(t testing.TB, path string, options ...string) net.Conn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(b.url, "http://"))
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	must(t, conn.SetDeadline(time.Now().Add(hang)))
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n%s\r\n", path, strings.Join(options, ""))
	must(t, err)
	readPast(t, conn, "\ndata: ")
	return conn
}

// readPast reads from a stream until the text and the end of its event have arrived.
func readPast(t testing.TB, conn io.Reader, text string) {
	t.Helper()
	var got []byte
	for buf := make([]byte, 4<<10); ; {
		if i := bytes.Index(got, []byte(text)); i >= 0 && bytes.Contains(got[i:], []byte("\n\n")) {
			return
		}
		n, err := conn.Read(buf)
		if got = append(got, buf[:n]...); err != nil {
			t.Fatalf("%v after %q", err, got)
		}
	}
}

// used returns the bytes of live objects and of stacks.
func used() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}

// resident returns the resident memory of the process in bytes, or 0 if the system does not tell.
func resident() int {
	debug.FreeOSMemory()
	status, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kilobytes, _ := strconv.Atoi(strings.TrimSpace(strings.Split(rest, "kB")[0]))
	return kilobytes << 10
}

// streamMemory opens one stream for each of n jobs and returns what each costs.
func streamMemory(t testing.TB, n int) (bytes, goroutines, rss int) {
	t.Helper()
	b := setup(t, func(cfg *server.Config, _ *server.Deps) { cfg.MaxStreamsPerCaller, cfg.MaxStreams = n+1, n+1 })
	for i := range n + 1 {
		b.push(t, imageSpec(job.OwnerAnonymous, fmt.Sprintf("0199d0f4-6b01-7c3a-8f52-%012d", i)))
	}
	path := func(i int) string { return fmt.Sprintf("/api/jobs/0199d0f4-6b01-7c3a-8f52-%012d/events", i) }
	b.rawStream(t, path(n)) // What the first stream starts is not part of the cost of each.
	runningBefore, before, residentBefore := runtime.NumGoroutine(), used(), resident()
	conns := make([]net.Conn, n)
	for i := range n {
		conns[i] = b.rawStream(t, path(i), "Accept-Language: en\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101\r\n")
	}
	b.awaitStreams(t, float64(n+1))
	bytes, rss = (used()-before)/n, (resident()-residentBefore)/n
	goroutines = runtime.NumGoroutine() - runningBefore
	runtime.KeepAlive(conns)
	return bytes, goroutines, rss
}

// TestMemoryOfStreams bounds the memory of an open stream, that of its client's connection included.
func TestMemoryOfStreams(t *testing.T) { //nolint:paralleltest // Other tests would be measured, too.
	const n, most = 300, 16 << 10
	bytes, goroutines, rss := streamMemory(t, n)
	t.Logf("each of %d streams costs %d bytes in the heap and stacks, %.1f goroutines, and %d bytes of resident memory",
		n, bytes, float64(goroutines)/n, rss)
	if bytes > most {
		t.Errorf("a stream costs %d bytes, want at most %d", bytes, most)
	}
	if goroutines > n+n/10 {
		t.Errorf("%d goroutines for %d streams", goroutines, n)
	}
}

// BenchmarkStreams measures the memory of 2,000 streams of as many jobs.
func BenchmarkStreams(b *testing.B) {
	const n = 2000
	for b.Loop() {
		bytes, goroutines, rss := streamMemory(b, n)
		b.ReportMetric(float64(bytes)/1024, "KiB/stream")
		b.ReportMetric(float64(rss)/1024, "resident-KiB/stream")
		b.ReportMetric(float64(goroutines)/n, "goroutines/stream")
	}
}

// BenchmarkFanOut measures how long the end of a job takes to reach each of 1,000 streams.
func BenchmarkFanOut(b *testing.B) {
	const n = 1000
	s := setup(b, func(cfg *server.Config, _ *server.Deps) { cfg.MaxStreamsPerCaller, cfg.MaxStreams = n, n })
	var all []time.Duration
	rounds := 0
	for b.Loop() {
		rounds++
		spec := s.push(b, imageSpec(job.OwnerAnonymous, fmt.Sprintf("job-%d", rounds)))
		took, conns := make([]time.Duration, n), make([]net.Conn, n)
		for i := range n {
			conns[i] = s.rawStream(b, "/api/jobs/"+spec.ID+"/events")
		}
		var readers sync.WaitGroup
		record := &job.Record{Status: job.StatusFailed, Error: job.NewError(job.CodeTimeout, 0)}
		begin := time.Now()
		for i, conn := range conns {
			readers.Go(func() {
				buf := make([]byte, 4<<10)
				for got := []byte(nil); !bytes.Contains(got, []byte("id: end")); {
					n, err := conn.Read(buf)
					if got = append(got, buf[:n]...); err != nil {
						b.Errorf("%v after %q", err, got)
						return
					}
				}
				took[i] = time.Since(begin)
			})
		}
		s.settle(b, spec, record)
		readers.Wait()
		all = append(all, took...)
		for _, conn := range conns {
			_ = conn.Close()
		}
		s.awaitStreams(b, 0)
	}
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "p50-ms")
}
