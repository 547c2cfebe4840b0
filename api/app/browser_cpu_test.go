package app_test

import (
	"bytes"
	"context"
	"encoding/json"
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
	p.do(t, "start a trace", tracing.Start().WithTransferMode(tracing.TransferModeReturnAsStream).WithTraceConfig(&tracing.TraceConfig{
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
				part, eof, err := cdpio.Read(e.Stream).WithSize(1 << 20).Do(ctx)
				if err != nil || eof {
					return err
				}
				trace.WriteString(part)
			}
		}
	}))
	return longestTask(t, trace.Bytes())
}

// longestTask returns the CPU time of the longest task of a main thread in a trace.
func longestTask(t *testing.T, trace []byte) time.Duration {
	t.Helper()
	type thread struct{ Pid, Tid int }
	var content struct {
		Events []struct {
			thread

			Name, Ph string
			CPU      float64 `json:"tdur"` // In microseconds.
			Args     struct{ Name string }
		} `json:"traceEvents"`
	}
	if err := json.Unmarshal(trace, &content); err != nil {
		t.Fatalf("read the trace: %v", err)
	}
	pages := map[thread]bool{}
	for _, e := range content.Events {
		if e.Name == "thread_name" && e.Args.Name == "CrRendererMain" {
			pages[e.thread] = true
		}
	}
	longest := 0.0
	for _, e := range content.Events {
		if e.Name == "ThreadControllerImpl::RunTask" && e.Ph == "X" && pages[e.thread] {
			longest = max(longest, e.CPU)
		}
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
