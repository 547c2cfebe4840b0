package app_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	cdpio "github.com/chromedp/cdproto/io"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/cdproto/tracing"
	"github.com/chromedp/chromedp"
)

// Other processes on the machine also cost CPU time, in caches and clock speed, so that what takes too long is tried again.
const cpuTries = 3

// longestTask returns the CPU time of the longest task of the page while an action runs: everything that happens without a
// break, during which the page does not answer.
func (p *tab) longestTask(t *testing.T, action func()) time.Duration {
	t.Helper()
	ended := make(chan *tracing.EventTracingComplete, 1)
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	chromedp.ListenTarget(ctx, func(event any) {
		if e, ok := event.(*tracing.EventTracingComplete); ok {
			ended <- e
		}
	})
	p.do(t, "start a trace", tracing.Start().WithTransferMode(tracing.TransferModeReturnAsStream).
		WithStreamCompression(tracing.StreamCompressionGzip).WithTraceConfig(&tracing.TraceConfig{
		IncludedCategories: []string{"toplevel"}, ExcludedCategories: []string{"*"},
	}))
	action()
	p.do(t, "end the trace", tracing.End())
	var trace bytes.Buffer
	p.do(t, "read the trace", chromedp.ActionFunc(func(ctx context.Context) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e := <-ended:
			if e.DataLossOccurred {
				t.Error("the trace is not complete")
			}
			for {
				// Compressed, and encoded as base64, it is a tenth of what the race detector would watch.
				part, eof, err := cdpio.Read(e.Stream).WithSize(1 << 20).Do(ctx)
				if err != nil {
					return err
				}
				data, err := base64.StdEncoding.DecodeString(part)
				trace.Write(data)
				if err != nil || eof {
					return err
				}
			}
		}
	}))
	unzipped, err := gzip.NewReader(&trace)
	if err != nil {
		t.Fatalf("read the trace: %v", err)
	}
	return longestTask(t, unzipped)
}

// longestTask returns the CPU time of the longest task of a main thread in a trace, which has a line for each event. Most are of
// other threads, and are not decoded.
func longestTask(t *testing.T, trace io.Reader) time.Duration {
	t.Helper()
	var pages [][]byte
	longest := 0.0
	lines := bufio.NewScanner(trace)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := bytes.TrimSuffix(lines.Bytes(), []byte(","))
		ofPage := func(tid []byte) bool { return bytes.Contains(line, tid) }
		named := bytes.Contains(line, []byte(`"thread_name"`))
		task := bytes.Contains(line, []byte(`"ThreadControllerImpl::RunTask"`)) && slices.ContainsFunc(pages, ofPage)
		if !named && !task {
			continue
		}
		var event struct {
			Ph   string
			Tid  int
			CPU  float64 `json:"tdur"` // In microseconds.
			Args struct{ Name string }
		}
		if err := json.Unmarshal(line, &event); err != nil {
			t.Fatalf("read the trace: %v in %s", err, line)
		}
		switch {
		case named && event.Args.Name == "CrRendererMain":
			pages = append(pages, fmt.Appendf(nil, `"tid":%d,`, event.Tid))
		case task && event.Ph == "X":
			longest = max(longest, event.CPU)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatalf("read the trace: %v", err)
	}
	if longest == 0 {
		t.Fatal("the trace has no task")
	}
	return time.Duration(longest * float64(time.Microsecond))
}

// firstViewIsFast bounds the CPU time that the page takes until a new visitor sees it: a quarter of a second is one second with
// a processor of a quarter of the speed.
func firstViewIsFast(ctx context.Context, t *testing.T, i *instance) {
	const limit = time.Second / 4
	var took time.Duration
	for range cpuTries {
		p := newTab(ctx, t, desktop)
		// Any document of the same origin, so that the page is opened in the same process.
		p.do(t, "count CPU time", performance.Enable().WithTimeDomain(performance.EnableTimeDomainThreadTicks), chromedp.Navigate(i.URL()+"/livez"))
		before := p.cpuTime(t)
		p.do(t, "open the page", chromedp.Navigate(i.URL()+"/"), until(isReady), chromedp.WaitVisible("#empty"))
		if took = p.cpuTime(t) - before; took <= 0 {
			t.Fatalf("the first view takes %v", took)
		}
		t.Logf("the first view takes %v of CPU time", took)
		if took <= limit {
			return
		}
	}
	t.Errorf("the first view takes %v of CPU time, want at most %v", took, limit)
}

// cpuTime returns the CPU time that the page has taken for its tasks.
func (p *tab) cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var took time.Duration
	p.do(t, "read the CPU time", chromedp.ActionFunc(func(ctx context.Context) error {
		metrics, err := performance.GetMetrics().Do(ctx)
		for _, m := range metrics {
			if m.Name == "TaskDuration" {
				took = time.Duration(m.Value * float64(time.Second))
			}
		}
		return err
	}))
	return took
}
