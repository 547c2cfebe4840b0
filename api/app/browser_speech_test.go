package app_test

import (
	"context"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// shorterRequests makes the page believe that a request may have 60 characters.
const shorterRequests = `document.addEventListener('readystatechange', () => {
  const box = document.getElementById('audio-text');
  if (box) box.dataset.max = '60';
})`

// readLongText has a text read that is longer than a request may be: it is split at sentences and is one work, also after the
// page was loaded again.
func readLongText(ctx context.Context, t *testing.T, i *instance) {
	p := newTab(ctx, t, desktop)
	text := "潮水每天涨两次。其间，沙滩会留住脚印。 " + strings.Repeat("The tide comes in twice a day. ", 4)
	const ended = `.frame[data-kind="audio"] .pick`
	oneFrame := func(when string) {
		t.Helper()
		if frames := value[int](p, t, `document.querySelectorAll('.frame').length`); frames != 1 {
			t.Errorf("%s a long text is %d works", when, frames)
		}
	}
	p.do(t, "shorten the limit", chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := page.AddScriptToEvaluateOnNewDocument(shorterRequests).Do(ctx)
		return err
	}))
	p.open(t, i.URL()+"/voice")
	p.do(t, "read a long text", chromedp.SendKeys("#audio-text", text, chromedp.ByID), press("Enter", input.ModifierCtrl), chromedp.WaitReady(ended))
	oneFrame("at once")
	texts := value[[]string](p, t, `fetch('/api/jobs?kind=audio').then((response) => response.json()).then(({ jobs }) => jobs.map(({ input }) => input.text).reverse())`)
	if got := strings.Join(texts, ""); len(texts) < 3 || got != text {
		t.Errorf("the parts %q are not the text", texts)
	}
	for _, part := range texts {
		if end := strings.TrimRight(part, " "); len([]rune(part)) > 60 || !strings.HasSuffix(end, ".") && !strings.HasSuffix(end, "。") {
			t.Errorf("the part %q does not end with a sentence, or is too long", part)
		}
	}
	p.do(t, "load the page again", chromedp.Reload(), until(isReady), chromedp.WaitReady(ended))
	oneFrame("after a reload")
}

// openLongText opens the work of a text that is longer than the screen: what can be done with it is in view.
func openLongText(ctx context.Context, t *testing.T, i *instance) {
	p := newTab(ctx, t, desktop)
	p.open(t, i.URL()+"/voice")
	p.do(t, "read a long text", chromedp.SetValue("#audio-text", strings.Repeat("The tide comes in twice a day. ", 200), chromedp.ByID),
		chromedp.SendKeys("#audio-text", "End.", chromedp.ByID), press("Enter", input.ModifierCtrl),
		chromedp.WaitReady(`.frame[data-state="audio"] .pick`))
	// The text was not typed, so that the box grows by itself.
	p.do(t, "open it", chromedp.Evaluate("seen.moved = 0", nil), chromedp.Click(`.frame[data-state="audio"] .open`), chromedp.WaitVisible("#work-actions button"))
	if !value[bool](p, t, `document.querySelector('#work-actions').getBoundingClientRect().bottom <= innerHeight`) {
		t.Error("the buttons are below a text that is longer than the screen")
	}
	p.check(t, "gallery/long-text")
	p.accessible(t, "gallery/long-text")
}
