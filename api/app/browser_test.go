package app_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

const (
	// browserTime bounds the tests in a browser, which is slow on a busy machine.
	browserTime = 10 * time.Minute
	// actionTime bounds one step of a test, so that a failure names it.
	actionTime = 2 * time.Minute
	// pollTime is the time between two looks at a condition. Frames of an animation, which are the default, are not drawn in
	// tabs in the background.
	pollTime = 50 * time.Millisecond
)

// openBrowser starts Chromium. Without one the test is skipped, except in CI.
func openBrowser(t *testing.T) context.Context {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil && path == "" {
			path = found
		}
	}
	if path == "" {
		if os.Getenv("CI") == "true" { //nolint:forbidigo // It is no setting of the program.
			t.Fatal("no Chromium")
		}
		t.Skip("no Chromium")
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(path), chromedp.NoSandbox,
		// Without a screen there is no mouse either, but this is the browser of a desktop, where frames show their tools.
		chromedp.Flag("blink-settings", "primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4"),
		chromedp.UserDataDir(profile(t)), chromedp.WSURLReadTimeout(browserTime))
	ctx, cancel := context.WithTimeout(t.Context(), browserTime)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	// It does not know all events of newer browsers, which does no harm.
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithErrorf(func(string, ...any) {}))
	t.Cleanup(cancel)
	if err := chromedp.Run(ctx); err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	return ctx
}

// profile returns a directory for a browser, whose child processes may still write to it for a moment after it has ended.
func profile(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "chromium") //nolint:usetesting // The removal of t.TempDir fails the test.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for deadline := time.Now().Add(hang); os.RemoveAll(dir) != nil && time.Now().Before(deadline); {
			continue
		}
	})
	return dir
}

// screen is what the page is shown on, and to whom.
type screen struct {
	name          string
	width, height int64
	lang          string
}

var (
	desktop = screen{"desktop", 1280, 800, "en"}
	phone   = screen{"phone", 390, 780, "zh"}
)

// observe runs before the scripts of every page: it sums up what moves without an action of the user, and notes what the
// Content-Security-Policy has blocked. Messages that disappear by themselves stay, since no test is to race with them.
const observe = `
window.seen = {moved: 0, movers: [], blocked: []};
const describe = ({node}) => node?.id || node?.className || node?.parentNode?.className || String(node?.nodeName);
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    if (entry.hadRecentInput) continue;
    seen.moved += entry.value;
    seen.movers.push(...entry.sources.map(describe));
  }
}).observe({type: 'layout-shift', buffered: true});
addEventListener('securitypolicyviolation', ({violatedDirective, blockedURI}) => seen.blocked.push(violatedDirective + ' ' + blockedURI));
const timer = window.setTimeout;
window.setTimeout = (action, delay, ...rest) => timer(action, delay === 6000 ? 1e9 : delay, ...rest);
`

// tab is a page in the browser. It collects what the browser reports.
type tab struct {
	ctx     context.Context
	screen  screen
	visitor cdp.BrowserContextID
	// expected is a part of an error that the test provokes.
	expected string

	mu       sync.Mutex
	faults   []string
	requests int
	bytes    float64
	// fromServer are the URLs that were not answered from the browser's cache.
	fromServer []string
	cached     map[network.RequestID]bool
	// later are requests for the examples of an empty sheet, which follow a moment after the first view.
	later map[network.RequestID]bool
}

var examples = regexp.MustCompile(`/assets/(examples/|js/examples\.|i18n/..-more\.)`)

// newTab opens a window for a new visitor, who has no cookies.
func newTab(ctx context.Context, t *testing.T, s screen) *tab {
	t.Helper()
	executor := cdp.WithExecutor(ctx, chromedp.FromContext(ctx).Browser)
	visitor, err := target.CreateBrowserContext().Do(executor)
	if err != nil {
		t.Fatalf("new visitor: %v", err)
	}
	t.Cleanup(func() { _ = target.DisposeBrowserContext(visitor).Do(executor) })
	return windowOf(ctx, t, visitor, s)
}

// another opens a further window for the same visitor. All windows are visible.
func (p *tab) another(ctx context.Context, t *testing.T) *tab {
	t.Helper()
	return windowOf(ctx, t, p.visitor, p.screen)
}

func windowOf(ctx context.Context, t *testing.T, visitor cdp.BrowserContextID, s screen) *tab {
	t.Helper()
	// Not chromedp.WithNewBrowserContext, which opens no window: newer browsers refuse that.
	id, err := target.CreateTarget("about:blank").WithBrowserContextID(visitor).WithNewWindow(true).Do(cdp.WithExecutor(ctx, chromedp.FromContext(ctx).Browser))
	if err != nil {
		t.Fatalf("new window: %v", err)
	}
	ctx, cancel := chromedp.NewContext(ctx, chromedp.WithTargetID(id))
	t.Cleanup(cancel)
	p := &tab{ctx: ctx, screen: s, visitor: visitor, cached: map[network.RequestID]bool{}, later: map[network.RequestID]bool{}}
	chromedp.ListenTarget(ctx, p.observe)
	// The first call attaches to the window for as long as its context lives.
	if err := chromedp.Run(ctx); err != nil {
		t.Fatalf("attach to the window: %v", err)
	}
	p.do(t, "open a window", log.Enable(), network.Enable(), chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := page.AddScriptToEvaluateOnNewDocument(observe).Do(ctx)
		return err
	}), emulation.SetDeviceMetricsOverride(s.width, s.height, 1, s.width < 500))
	return p
}

func (p *tab) observe(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fault := ""
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		fault = e.ExceptionDetails.Error()
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError {
			fault = fmt.Sprint("console.error: ", e.Args)
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError {
			fault = e.Entry.Text + " " + e.Entry.URL
		}
	case *network.EventRequestWillBeSent:
		if examples.MatchString(e.Request.URL) {
			p.later[e.RequestID] = true
		} else {
			p.requests++
		}
	case *network.EventRequestServedFromCache:
		p.cached[e.RequestID] = true
	case *network.EventResponseReceived:
		if !p.cached[e.RequestID] && !p.later[e.RequestID] && !e.Response.FromDiskCache {
			p.fromServer = append(p.fromServer, e.Response.URL)
		}
	case *network.EventLoadingFinished:
		if !p.later[e.RequestID] {
			p.bytes += e.EncodedDataLength
		}
	}
	if fault != "" && (p.expected == "" || !strings.Contains(fault, p.expected)) {
		p.faults = append(p.faults, fault)
	}
}

// do performs actions and fails the test if one cannot be performed.
func (p *tab) do(t *testing.T, what string, actions ...chromedp.Action) {
	t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, actionTime)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		t.Fatalf("%s: %v (errors of the page: %q)", what, err, p.faults)
	}
}

const (
	isReady   = `document.documentElement.dataset.ready === 'true'`
	isLive    = isReady + ` && document.querySelector('#link-state').dataset.state === 'live'`
	noneWider = `[...document.querySelectorAll('main *:not(pre *, .scroll *)')].every((node) => node.getBoundingClientRect().right <= innerWidth + 1)`
)

// until waits until an expression is true.
func until(expression string) chromedp.Action {
	return chromedp.Poll(expression, nil, chromedp.WithPollingInterval(pollTime), chromedp.WithPollingTimeout(0))
}

// value returns the value of an expression.
func value[T any](p *tab, t *testing.T, expression string) T {
	t.Helper()
	var v T
	p.do(t, expression, chromedp.Evaluate(expression, &v, func(e *runtime.EvaluateParams) *runtime.EvaluateParams { return e.WithAwaitPromise(true) }))
	return v
}

// open loads an address and waits until the page can be used.
func (p *tab) open(t *testing.T, url string) {
	t.Helper()
	p.do(t, "open "+url, chromedp.Navigate(url), until(isReady))
}

// check fails the test if the page is wider than the screen, if something has moved by itself since it was loaded, or if the
// browser has reported anything. It keeps a picture for people to look at.
func (p *tab) check(t *testing.T, view string) {
	t.Helper()
	if !value[bool](p, t, noneWider) {
		t.Errorf("%s is wider than the screen", view)
	}
	if moved := value[float64](p, t, "seen.moved"); moved > 0.02 {
		t.Errorf("%s: layout shift %.3f, want at most 0.02: %q", view, moved, value[[]string](p, t, "seen.movers"))
	}
	if blocked := value[[]string](p, t, "seen.blocked"); len(blocked) > 0 {
		t.Errorf("%s: the policy has blocked %q", view, blocked)
	}
	p.shoot(t, view, "light")
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, fault := range p.faults {
		t.Errorf("%s: %s", view, fault)
	}
	p.faults = nil
}

// shoot writes a picture of the page to the directory BROWSER_SCREENSHOTS, if that is set.
func (p *tab) shoot(t *testing.T, view, theme string) {
	t.Helper()
	dir := os.Getenv("BROWSER_SCREENSHOTS") //nolint:forbidigo // It is no setting of the program.
	if dir == "" {
		return
	}
	var picture []byte
	p.do(t, "picture of "+view, chromedp.CaptureScreenshot(&picture))
	name := fmt.Sprintf("%s-%s-%s-%s.png", strings.ReplaceAll(strings.Trim(view, "/"), "/", "-"), p.screen.name, p.screen.lang, theme)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, strings.TrimLeft(name, "-")), picture, 0o644); err != nil {
		t.Fatal(err)
	}
}

// inDark performs an action while the system's theme is dark.
func (p *tab) inDark(t *testing.T, action func()) {
	t.Helper()
	p.do(t, "dark", emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}))
	action()
	p.do(t, "light", emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "light"}}))
}
