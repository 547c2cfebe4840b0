package app_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/text2image-audio/text2image-audio/api/app/apptest"
)

const operatorKey = "the-key-of-the-operator"

// TestPageInBrowser uses the page as people do, in one browser with one API.
func TestPageInBrowser(t *testing.T) {
	t.Parallel()
	cfg := apptest.Config(t, t.TempDir(), "MAX_ACTIVE_JOBS_GUEST=0", "ADMIN_KEY="+operatorKey, "WEBHOOK_ALLOW=127.0.0.0/8")
	var err error
	if cfg.OpenAPI, err = os.ReadFile("../openapi.yaml"); err != nil {
		t.Fatal(err)
	}
	i := start(t, cfg)
	ctx := openBrowser(t)
	for _, c := range []struct {
		name string
		test func(context.Context, *testing.T, *instance)
	}{
		{"first load is small", firstLoadIsSmall},
		{"first view is fast", firstViewIsFast},
		{"lost connection", loseConnection},
		{"sent by another tab", sendFromOtherTab},
		{"improve", improveInPeace},
		{"desktop", func(ctx context.Context, t *testing.T, i *instance) { visitEveryView(ctx, t, i, desktop) }},
		{"phone", func(ctx context.Context, t *testing.T, i *instance) { visitEveryView(ctx, t, i, phone) }},
		{"keyboard", createAndDeleteByKeyboard},
		{"long speech", readLongText},
		{"long text", openLongText},
		{"no thumbnails", showWithoutThumbnails},
		{"API keys", manageKeys},
		{"webhooks", manageWebhooks},
		{"references", referTo},
		{"reference", sendFromReference},
		{"twelve tabs", openTwelveTabs},
		{"many jobs", showManyJobs},
		{"tags", findByTag},
		{"shared results", showShared},
		{"batch", makeBatch},
		{"large batch", showLargeBatch},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(ctx, t, i) })
	}
}

// firstLoadIsSmall counts what a browser without a cache loads until the page can be used, and what it asks for when the page is
// opened again.
func firstLoadIsSmall(ctx context.Context, t *testing.T, i *instance) {
	p := newTab(ctx, t, desktop)
	p.do(t, "open the page", chromedp.Navigate(i.URL()+"/"), until(isReady), chromedp.WaitVisible("#empty"),
		until(`document.querySelector('#panel-image .quota').textContent !== ''`))
	p.check(t, "empty")
	p.mu.Lock()
	seen := fmt.Sprintf("%d requests, %.0f bytes", p.requests, p.bytes)
	if p.requests > 15 || p.bytes > 90_000 {
		t.Errorf("%s, want at most 15 and 90000", seen)
	}
	t.Log(seen)
	p.mu.Unlock()
	p.do(t, "wait for the models", chromedp.WaitReady(`#link-state[data-state="live"]`), until(`document.querySelector('#image-model').length > 1`))
	p.mu.Lock()
	p.fromServer = nil
	p.mu.Unlock()
	p.do(t, "open the page again", chromedp.Navigate(i.URL()+"/"), until(isReady), chromedp.WaitVisible("#empty"),
		chromedp.WaitReady(`#link-state[data-state="live"]`))
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.fromServer) > 3 {
		t.Errorf("the second load asks for %v, want at most 3", p.fromServer)
	}
	t.Log(p.fromServer)
}

// folded waits until the composer of a phone has made room for what was created. That is no surprise, however late it happens.
var folded = until(`innerWidth > 500 || !document.querySelector('#compose').classList.contains('open') && ((seen.moved = 0), true)`)

// visitEveryView goes the main path of every view. Nothing may be logged as an error, be wider than the screen, move by itself
// or be inaccessible.
func visitEveryView(ctx context.Context, t *testing.T, i *instance, s screen) {
	p := newTab(ctx, t, s)
	look := func(view string) {
		t.Helper()
		p.check(t, view)
		p.accessible(t, view)
	}
	for title, lang := range map[string]string{"Your sheet": "en", "我的作品": "zh"} {
		if lang == s.lang {
			p.open(t, i.URL()+"/?lang="+lang)
			if got := value[string](p, t, "document.querySelector('#sheet-title').textContent"); got != title {
				t.Errorf("the title is %q, want %q", got, title)
			}
		}
	}

	p.do(t, "take an example", chromedp.Click("#examples .example .open"))
	if value[string](p, t, `document.querySelector('#image-prompt').value`) == "" {
		t.Error("an example does not fill the composer")
	}
	p.do(t, "create", chromedp.SendKeys("#image-prompt", "A lighthouse at dusk", chromedp.ByID),
		press("Enter", input.ModifierCtrl),
		folded, chromedp.WaitVisible(`.frame[data-state="image"] img.loaded`))
	look("/")
	p.do(t, "open", chromedp.Click(`.frame[data-state="image"] .open`), chromedp.WaitVisible("#work[open] #work-prompt"), until(`document.querySelector('#work-stage img').complete`))
	if path := value[string](p, t, "location.pathname"); !strings.HasPrefix(path, "/gallery/") {
		t.Errorf("the work has the address %s", path)
	}
	look("/gallery/work")
	p.do(t, "go back", chromedp.NavigateBack(), chromedp.WaitNotPresent("#work[open]"))
	if s == desktop {
		checkArchive(t, p)
	}
	checkFilters(t, p, i.URL())

	p.open(t, i.URL()+"/voice")
	p.do(t, "speak", until(`document.querySelector('#voices').childElementCount > 0`), chromedp.SendKeys("#audio-text", "The tide comes in twice a day.", chromedp.ByID),
		press("Enter", input.ModifierCtrl), folded, chromedp.WaitVisible(`.frame[data-state="audio"] canvas`))
	look("/voice")

	p.open(t, i.URL()+"/gallery?kind=audio")
	p.do(t, "filter", chromedp.WaitVisible(`.frame[data-state="audio"]`), chromedp.WaitNotPresent(`.frame[data-state="image"]`))
	look("/gallery")

	p.open(t, i.URL()+"/account")
	p.do(t, "sign up", chromedp.WaitVisible("#view-account:not([inert]) #signin-form"))
	look("/account")
	p.do(t, "sign up", chromedp.Click(`#account-signin [data-view="signup"]`), chromedp.SendKeys("#signup-username", "Ada"),
		chromedp.SendKeys("#signup-email", s.name+"@example.com"), chromedp.SendKeys("#signup-password", "correct horse battery"),
		chromedp.Click("#signup-form .primary"), chromedp.WaitVisible(`//*[@id="account-name"][text()="Ada"]`),
		chromedp.Click("#account-open"), chromedp.WaitVisible("#account-profile"))
	look("/account/profile")

	for _, view := range []string{"/help", "/privacy", "/terms"} {
		p.open(t, i.URL()+view)
		p.do(t, "visit "+view, chromedp.WaitVisible("main article:not([hidden]) h1"))
		look(view)
	}

	p.open(t, i.URL()+"/operator/feedback")
	p.do(t, "enter the key", chromedp.WaitVisible("#view-operator:not([inert]) #operator-key"), chromedp.SendKeys("#operator-key", operatorKey), press("Enter", 0), chromedp.WaitVisible("#operator-panel"))
	for _, part := range []string{"feedback", "dead-letters", "queues", "pauses"} {
		p.do(t, "visit "+part, chromedp.Click(fmt.Sprintf(`#operator-nav a[href="/operator/%s"]`, part)), chromedp.WaitVisible(fmt.Sprintf(`[data-operator=%q]`, part)))
		look("/operator/" + part)
	}

	p.expected = "404"
	p.open(t, i.URL()+"/nowhere")
	p.do(t, "visit no page", chromedp.WaitVisible("#view-missing"))
	look("/nowhere")
}

// checkFilters filters the gallery, which asks the server for what matches and keeps the filters in its address.
func checkFilters(t *testing.T, p *tab, url string) {
	t.Helper()
	p.open(t, url+"/gallery?kind=image&state=done")
	p.do(t, "load the page again", chromedp.WaitVisible(`.frame[data-state="image"]`), chromedp.Reload(), until(isReady), chromedp.WaitVisible(`.frame[data-state="image"]`))
	if got := value[string](p, t, `document.querySelector('#filters [name="kind"]:checked').value + ' ' + document.querySelector('#filter-state').value`); got != "image done" {
		t.Errorf("after a reload the filter is %q", got)
	}
	p.mu.Lock()
	if !slices.ContainsFunc(p.fromServer, func(url string) bool { return strings.Contains(url, "kind=image&status=succeeded") }) {
		t.Errorf("the server is not asked for what matches: %v", p.fromServer)
	}
	p.mu.Unlock()
	p.open(t, url+"/gallery?kind=audio")
	p.do(t, "find nothing", chromedp.WaitVisible("#none"))
}

// press presses a key as a keyboard does: what a handler of keydown prevents is not done. chromedp.KeyEvent types it all the same.
func press(key string, modifiers input.Modifier) chromedp.Action {
	k := map[string]struct {
		text string
		code int64
	}{"Tab": {"", 9}, "Enter": {"\r", 13}, "Escape": {"", 27}, "/": {"/", 191}, "z": {"", 90}}[key]
	event := func(kind input.KeyType) *input.DispatchKeyEventParams {
		return input.DispatchKeyEvent(kind).WithKey(key).WithText(k.text).WithWindowsVirtualKeyCode(k.code).WithModifiers(modifiers)
	}
	return chromedp.Tasks{event(input.KeyDown), event(input.KeyUp)}
}

// focusIs waits until the focused element matches a selector.
func focusIs(selector string) chromedp.Action {
	return until(fmt.Sprintf(`document.activeElement.matches(%q)`, selector))
}

// tabTo presses the tab key until an element that matches has the focus, which must be visible.
func (p *tab) tabTo(t *testing.T, selector string) {
	t.Helper()
	for range 60 {
		p.do(t, "press Tab", press("Tab", 0))
		if value[bool](p, t, fmt.Sprintf(`document.activeElement.matches(%q)`, selector)) {
			if hidden := value[bool](p, t, focusHidden); hidden {
				t.Errorf("%s has the focus and is not in view", selector)
			}
			return
		}
	}
	t.Fatalf("%s cannot be reached with the tab key", selector)
}

// focusHidden tells whether something covers the middle of the focused element.
const focusHidden = `(() => {
  const box = document.activeElement.getBoundingClientRect();
  const top = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
  return !top || !(document.activeElement.contains(top) || top.contains(document.activeElement));
})()`

// createAndDeleteByKeyboard creates a work, opens and closes it, deletes it and takes that back, without a pointer.
func createAndDeleteByKeyboard(ctx context.Context, t *testing.T, i *instance) {
	p := newTab(ctx, t, desktop)
	p.open(t, i.URL()+"/")
	p.do(t, "create", press("/", 0), focusIs("#image-prompt"), chromedp.KeyEvent("A heron in the reeds"), press("Enter", input.ModifierCtrl),
		chromedp.WaitVisible(`.frame[data-state="image"] img.loaded`))
	p.tabTo(t, ".frame a.open")
	p.do(t, "open", press("Enter", 0), chromedp.WaitVisible("#work[open]"), focusIs("#work-close"))
	p.do(t, "close", press("Escape", 0), chromedp.WaitNotPresent("#work[open]"), focusIs(".frame a.open"))
	p.tabTo(t, `.frame-tools button:last-child`)
	p.do(t, "delete", press("Enter", 0), chromedp.WaitNotPresent(".frame"), chromedp.WaitVisible("#toasts button"))
	p.do(t, "undo", press("z", input.ModifierCtrl), chromedp.WaitVisible(".frame"), chromedp.WaitNotPresent("#toasts button"))
	p.do(t, "delete what is selected", chromedp.Focus("#select"), press("Enter", 0), chromedp.Focus("#picked-all"), press("Enter", 0),
		chromedp.Focus("#picked-delete"), press("Enter", 0), chromedp.WaitNotPresent(".frame"), focusIs("#picked-clear"))
	p.do(t, "undo", press("z", input.ModifierCtrl), chromedp.WaitVisible(".frame"))
	p.check(t, "keyboard")
}

// sendFromReference sends a request with the form of the API reference.
func sendFromReference(ctx context.Context, t *testing.T, i *instance) {
	for _, s := range []screen{desktop, phone} {
		p := newTab(ctx, t, s)
		p.do(t, "open the reference", chromedp.Navigate(i.URL()+"/docs?lang="+s.lang), chromedp.WaitVisible(".secret"))
		p.check(t, "docs")
		p.do(t, "find the operation", chromedp.SendKeys("#search", "submitJob", chromedp.ByID), until(`document.querySelectorAll('main article[hidden]').length > 10`))
		p.do(t, "send the request", chromedp.Focus("#submitJob .try summary"), press("Enter", 0), chromedp.Focus("#submitJob .try button:not([type])"), press("Enter", 0),
			until(`[...document.querySelectorAll('#submitJob .result pre')].some((pre) => pre.textContent.includes('"status": "queued"'))`))
		p.check(t, "docs/sent")
		// One operation and one schema are like the others, which would take minutes.
		p.do(t, "keep one operation", chromedp.Evaluate("document.querySelectorAll('main article:not(#submitJob, #schema-Job)').forEach((node) => node.remove())", nil))
		p.accessible(t, "docs/sent")
	}
}

// cookie returns the cookie of a tab's visitor.
func (p *tab) cookie(t *testing.T, url string) string {
	t.Helper()
	var header []string
	p.do(t, "read the cookies", chromedp.ActionFunc(func(ctx context.Context) error {
		cookies, err := network.GetCookies().WithURLs([]string{url}).Do(ctx)
		for _, c := range cookies {
			header = append(header, c.Name+"="+c.Value)
		}
		return err
	}))
	return strings.Join(header, "; ")
}

// openTwelveTabs opens more tabs than a browser has connections to a server: all of them must work.
func openTwelveTabs(ctx context.Context, t *testing.T, i *instance) {
	first := newTab(ctx, t, desktop)
	first.open(t, i.URL()+"/")
	tabs := []*tab{first}
	for len(tabs) < 12 {
		p := first.another(ctx, t)
		p.open(t, i.URL()+"/")
		tabs = append(tabs, p)
	}
	for _, p := range tabs {
		p.do(t, "follow the events", until(isLive))
	}
	i.Cookie = first.cookie(t, i.URL())
	i.Submit(t, fields{"kind": "image", "input": fields{"prompt": "Twelve tabs", "width": 64, "height": 64}})
	for _, p := range tabs {
		p.do(t, "show the image", until(`document.querySelector('.frame[data-state="image"] img.loaded') !== null`))
		p.check(t, "tab")
	}
}
