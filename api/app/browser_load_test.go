package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/tracing"
	"github.com/chromedp/chromedp"
)

// taskLimit is the CPU time that one task of the page may take, so that it reacts at once whatever goes on.
const taskLimit = 50 * time.Millisecond

// showManyJobs shows two hundred works, all of which wait and then change. The page keeps to its budget of frames and of CPU
// time per task.
func showManyJobs(ctx context.Context, t *testing.T, i *instance) {
	const count = 200
	p := newTab(ctx, t, desktop)
	p.open(t, i.URL()+"/gallery")
	i.Cookie = p.cookie(t, i.URL())
	kinds := []string{"image", "translation"}
	for _, kind := range kinds {
		i.operate(t, "pause", kind)
	}
	var group sync.WaitGroup
	for n := range count {
		group.Go(func() {
			body := fields{"kind": "image", "input": fields{"prompt": fmt.Sprintf("Work %d", n), "width": 256, "height": 256}}
			if n%2 == 1 {
				body = fields{"kind": "translation", "input": fields{"text": fmt.Sprintf("Text %d", n)}}
			}
			i.Submit(t, body)
		})
	}
	group.Wait()
	p.open(t, i.URL()+"/gallery")
	frames := func(what string) {
		t.Helper()
		if n := value[int](p, t, "document.querySelectorAll('.frame').length"); n == 0 || n > 60 {
			t.Errorf("%s: %d frames, want 1 to 60", what, n)
		}
	}
	p.do(t, "wait", until(isLive))
	for more := true; more; more = value[bool](p, t, "!document.querySelector('#sheet-older').hidden") {
		frames("older")
		p.do(t, "older", chromedp.Evaluate("document.querySelector('#sheet-older').click()", nil), until("document.querySelector('.frame') !== null"))
	}
	p.do(t, "go back to the newest", chromedp.Evaluate(`while (!document.querySelector('#sheet-newer').hidden) document.querySelector('#sheet-newer').click()`, nil))

	longest := p.trace(t, func() {
		for _, kind := range kinds {
			i.operate(t, "resume", kind)
		}
		p.do(t, "show the results", until(`document.querySelectorAll('.frame:not([data-state="image"], [data-state="text"])').length === 0`),
			until(`document.querySelector('#running').classList.contains('idle')`))
	})
	frames("all done")
	p.check(t, "many")
	if t.Logf("the longest task took %v of CPU time", longest); longest > taskLimit {
		t.Errorf("a task took %v of CPU time, want at most %v", longest, taskLimit)
	}
}

// operate pauses or resumes the jobs of a kind.
func (i *instance) operate(t *testing.T, action, kind string) {
	t.Helper()
	resp := i.Do(t, http.MethodPost, "/api/admin/kinds/"+kind+"/"+action, fields{}, "Authorization: Bearer "+operatorKey)
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: status %d: %s", action, kind, resp.StatusCode, resp.Data)
	}
}

// trace performs an action and returns the CPU time of the longest task of the page's main thread in the meantime. Unlike the
// time by the clock, it does not depend on what else the machine does.
func (p *tab) trace(t *testing.T, action func()) time.Duration {
	t.Helper()
	type event struct {
		Name string         `json:"name"`
		PID  int            `json:"pid"`
		TID  int            `json:"tid"`
		TDur int64          `json:"tdur"`
		Args map[string]any `json:"args"`
	}
	var mu sync.Mutex
	var events []event
	complete := make(chan struct{})
	chromedp.ListenTarget(p.ctx, func(message any) {
		switch m := message.(type) {
		case *tracing.EventDataCollected:
			mu.Lock()
			defer mu.Unlock()
			for _, value := range m.Value {
				var e event
				if json.Unmarshal(value, &e) == nil {
					events = append(events, e)
				}
			}
		case *tracing.EventTracingComplete:
			close(complete)
		}
	})
	p.do(t, "trace", tracing.Start().WithTransferMode(tracing.TransferModeReportEvents).WithTraceConfig(&tracing.TraceConfig{
		IncludedCategories: []string{"toplevel", "disabled-by-default-devtools.timeline", "devtools.timeline"},
	}))
	action()
	p.do(t, "end the trace", tracing.End())
	<-complete
	mu.Lock()
	defer mu.Unlock()
	var longest time.Duration
	names := map[string]int{}
	for _, e := range events {
		names[e.Name]++
	}
	t.Log(names)
	for _, e := range events {
		if e.Name == "RunTask" || e.Name == "ThreadControllerImpl::RunTask" {
			longest = max(longest, time.Duration(e.TDur)*time.Microsecond)
		}
	}
	return longest
}
