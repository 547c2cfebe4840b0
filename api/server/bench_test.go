package server_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// benchmarkClients is how many connections submit at once for each processor.
const benchmarkClients = 16

// BenchmarkSubmit submits jobs over HTTP without a quota, as a guest and with an idempotency key.
func BenchmarkSubmit(b *testing.B) {
	b.Run("guest", func(b *testing.B) { benchmarkSubmit(b, quota.Plans{}, nil) })
	b.Run("keyed", func(b *testing.B) { benchmarkSubmit(b, quota.Plans{}, newKey()) })
	b.Run("member", func(b *testing.B) { benchmarkSubmit(b, quota.Plans{}, nil, signedIn) })
}

// BenchmarkSubmitWithQuota is BenchmarkSubmit with limits per minute, per day and per address, which are never reached.
func BenchmarkSubmitWithQuota(b *testing.B) {
	const many = 1_000_000_000
	limits := quota.Limits{PerMinute: many, PerDay: many}
	plans := quota.Plans{Media: quota.Plan{Guest: limits, Member: limits, AddressPerDay: many}}
	b.Run("guest", func(b *testing.B) { benchmarkSubmit(b, plans, nil) })
	b.Run("keyed", func(b *testing.B) { benchmarkSubmit(b, plans, newKey()) })
	b.Run("member", func(b *testing.B) { benchmarkSubmit(b, plans, nil, signedIn) })
}

// newKey returns a header with another idempotency key for each request.
func newKey() func() string {
	var n atomic.Int64
	return func() string { return fmt.Sprintf("Idempotency-Key: key-%d\r\n", n.Add(1)) }
}

// signedIn returns the header of a member.
func signedIn(b *testing.B, s *bundle) string {
	return "Authorization: Bearer " + s.signUp(b, annEmail).Token + "\r\n"
}

// benchmarkSubmit submits jobs from many connections with one more header for each request. Its client allocates next to
// nothing, so that the allocations are those of the server and of NATS.
func benchmarkSubmit(b *testing.B, plans quota.Plans, perRequest func() string, headers ...func(*testing.B, *bundle) string) {
	s := setup(b, func(cfg *server.Config, deps *server.Deps) {
		log, err := telemetry.NewLogger(io.Discard, "info")
		must(b, err)
		deps.Log, deps.Quota = log, quota.New(deps.Broker, plans, nil)
		cfg.MaxActiveGuest, cfg.MaxActiveMember = 0, 0
	})
	const body = `{"kind":"image","input":{"prompt":"a lighthouse in a storm at night, oil on canvas","width":512,"height":512}}`
	head := "POST /api/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nAccept: application/json\r\n"
	for _, h := range headers {
		head += h(b, s)
	}
	tail := "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
	b.ReportAllocs()
	began := cpuTime(b)
	b.SetParallelism(benchmarkClients)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		conn, err := (&net.Dialer{}).DialContext(b.Context(), "tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			b.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		in := bufio.NewReader(conn)
		request := []byte(head + tail)
		for pb.Next() {
			if perRequest != nil {
				request = append(append(append(request[:0], head...), perRequest()...), tail...)
			}
			if _, err := conn.Write(request); err != nil {
				b.Error(err)
				return
			}
			if status, err := skipResponse(in); err != nil || !bytes.Contains(status[:], []byte(" 202 ")) {
				b.Errorf("%s, %v", status[:], err)
				return
			}
		}
	})
	// On a busy machine the time of the processor is more reliable than the elapsed time.
	b.ReportMetric(float64((cpuTime(b)-began).Microseconds())/float64(b.N), "cpu-µs/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
}

// cpuTime returns the time that the processor has spent on this process.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// skipResponse reads a response with a Content-Length and returns the start of its first line.
func skipResponse(in *bufio.Reader) (status [16]byte, err error) {
	length := 0
	for first := true; ; first = false {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return status, err
		}
		if first {
			copy(status[:], line)
		}
		if len(line) == len("\r\n") {
			break
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return status, err
			}
		}
	}
	_, err = in.Discard(length)
	return status, err
}
