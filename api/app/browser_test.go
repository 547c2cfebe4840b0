package app_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/text2image-audio/text2image-audio/api/app/apptest"
)

// browserTime bounds a test in a browser, which is slow to start on a busy machine.
const browserTime = 3 * time.Minute

// browser starts Chromium. Without one the test is skipped, except in CI.
func browser(t *testing.T) context.Context {
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
		chromedp.UserDataDir(profile(t)), chromedp.WSURLReadTimeout(browserTime))
	ctx, cancel := context.WithTimeout(t.Context(), browserTime)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	// It does not know all events of newer browsers, which does no harm.
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithErrorf(func(string, ...any) {}))
	t.Cleanup(cancel)
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

// watched is what a browser reports while it shows the page.
type watched struct {
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

func watch(ctx context.Context) *watched {
	w := &watched{cached: map[network.RequestID]bool{}, later: map[network.RequestID]bool{}}
	chromedp.ListenTarget(ctx, func(event any) {
		w.mu.Lock()
		defer w.mu.Unlock()
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			w.faults = append(w.faults, e.ExceptionDetails.Error())
		case *log.EventEntryAdded:
			if e.Entry.Level == log.LevelError {
				w.faults = append(w.faults, e.Entry.Text+" "+e.Entry.URL)
			}
		case *network.EventRequestWillBeSent:
			if examples.MatchString(e.Request.URL) {
				w.later[e.RequestID] = true
			} else {
				w.requests++
			}
		case *network.EventRequestServedFromCache:
			w.cached[e.RequestID] = true
		case *network.EventResponseReceived:
			if !w.cached[e.RequestID] && !w.later[e.RequestID] && !e.Response.FromDiskCache {
				w.fromServer = append(w.fromServer, e.Response.URL)
			}
		case *network.EventLoadingFinished:
			if !w.later[e.RequestID] {
				w.bytes += e.EncodedDataLength
			}
		}
	})
	return w
}

const (
	isReady   = `document.documentElement.dataset.ready === 'true'`
	noneWider = `[...document.querySelectorAll('main *:not(pre *)')].every((node) => node.getBoundingClientRect().right <= innerWidth + 1)`
)

func perform(ctx context.Context, t *testing.T, what string, actions ...chromedp.Action) {
	t.Helper()
	if err := chromedp.Run(ctx, actions...); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// TestPageInBrowser takes an example, makes an image on the page, opens it, goes back, and visits every view, on a desktop in English and on a
// phone in Chinese. Nothing may be logged as an error, and nothing may be wider than the screen.
func TestPageInBrowser(t *testing.T) {
	t.Parallel()
	i := start(t, apptest.Config(t, t.TempDir()))
	for _, screen := range []struct {
		name          string
		width, height int64
		lang, title   string
	}{
		{"desktop", 1280, 800, "en", "Your sheet"},
		{"phone", 390, 780, "zh", "我的作品"},
	} {
		t.Run(screen.name, func(t *testing.T) {
			t.Parallel()
			ctx := browser(t)
			w := watch(ctx)
			var title, path string
			var fits bool
			perform(ctx, t, "open the page", log.Enable(), network.Enable(),
				emulation.SetDeviceMetricsOverride(screen.width, screen.height, 1, screen.width < 500),
				chromedp.Navigate(i.URL()+"/?lang="+screen.lang), chromedp.Poll(isReady, nil), chromedp.Text("#sheet-title", &title, chromedp.NodeReady))
			if title != screen.title {
				t.Errorf("the title is %q, want %q", title, screen.title)
			}
			var prompt string
			perform(ctx, t, "take an example", chromedp.Click("#examples .example .open"), chromedp.Value("#image-prompt", &prompt, chromedp.ByID))
			if prompt == "" {
				t.Error("an example does not fill the composer")
			}
			perform(ctx, t, "create", chromedp.SendKeys("#image-prompt", "A lighthouse at dusk", chromedp.ByID),
				chromedp.KeyEvent(kb.Enter, chromedp.KeyModifiers(2)), // Ctrl
				chromedp.WaitVisible(`.frame[data-state="image"] img`))
			perform(ctx, t, "open", chromedp.Click(`.frame[data-state="image"] .open`), chromedp.WaitVisible("#work[open] #work-prompt"), chromedp.Evaluate("location.pathname", &path))
			if !strings.HasPrefix(path, "/gallery/") {
				t.Errorf("the work has the address %s", path)
			}
			if screen.name == "desktop" {
				checkArchive(ctx, t)
			}
			perform(ctx, t, "go back", chromedp.NavigateBack(), chromedp.WaitNotPresent("#work[open]"))
			var kind, state string
			perform(ctx, t, "filter", chromedp.Navigate(i.URL()+"/gallery?kind=image&state=done"), chromedp.Poll(isReady, nil), chromedp.WaitVisible(`.frame[data-state="image"]`),
				chromedp.Reload(), chromedp.Poll(isReady, nil), chromedp.WaitVisible(`.frame[data-state="image"]`),
				chromedp.Value(`#filters [name="kind"]:checked`, &kind, chromedp.NodeReady), chromedp.Value("#filter-state", &state, chromedp.NodeReady),
				chromedp.Navigate(i.URL()+"/gallery?kind=audio"), chromedp.Poll(isReady, nil), chromedp.WaitVisible("#none"))
			if kind != "image" || state != "done" {
				t.Errorf("after a reload the filter is %q, %q", kind, state)
			}
			w.mu.Lock()
			if !slices.ContainsFunc(w.fromServer, func(url string) bool { return strings.Contains(url, "kind=image&status=succeeded") }) {
				t.Errorf("the server is not asked for what matches: %v", w.fromServer)
			}
			w.mu.Unlock()
			for _, view := range []string{"/", "/gallery", "/voice", "/account", "/help", "/privacy", "/terms", "/operator/feedback", "/operator/pauses"} {
				perform(ctx, t, "visit "+view, chromedp.Navigate(i.URL()+view), chromedp.Poll(isReady, nil), chromedp.WaitReady("main h1"), chromedp.Evaluate(noneWider, &fits))
				if !fits {
					t.Errorf("%s is wider than the screen", view)
				}
			}
			if screen.name == "desktop" {
				checkLongSpeech(ctx, t, i.URL())
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, fault := range w.faults {
				t.Error(fault)
			}
		})
	}
}

// TestFirstLoadOfThePageIsSmall counts what a browser without a cache loads until the page can be used, and what it asks for
// when the page is opened again.
func TestFirstLoadOfThePageIsSmall(t *testing.T) {
	t.Parallel()
	i := start(t, apptest.Config(t, t.TempDir()))
	ctx := browser(t)
	w := watch(ctx)
	perform(ctx, t, "open the page", network.Enable(), chromedp.Navigate(i.URL()+"/"), chromedp.Poll(isReady, nil), chromedp.WaitVisible("#empty"),
		chromedp.Poll(`document.querySelector('#panel-image .quota').textContent !== ''`, nil))
	w.mu.Lock()
	seen := fmt.Sprintf("%d requests, %.0f bytes", w.requests, w.bytes)
	if w.requests > 15 || w.bytes > 90_000 {
		t.Errorf("%s, want at most 15 and 90000", seen)
	}
	t.Log(seen)
	w.mu.Unlock()
	perform(ctx, t, "wait for the models", chromedp.WaitReady(`#link-state[data-state="live"]`), chromedp.Poll(`document.querySelector('#image-model').length > 1`, nil))
	w.mu.Lock()
	w.fromServer = nil
	w.mu.Unlock()
	perform(ctx, t, "open the page again", chromedp.Navigate(i.URL()+"/"), chromedp.Poll(isReady, nil), chromedp.WaitVisible("#empty"),
		chromedp.WaitReady(`#link-state[data-state="live"]`))
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.fromServer) > 3 {
		t.Errorf("the second load asks for %v, want at most 3", w.fromServer)
	}
	t.Log(w.fromServer)
}
