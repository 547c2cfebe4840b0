package app_test

import (
	"context"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// shorterRequests makes the page believe that a request may have 60 characters.
const shorterRequests = `document.addEventListener('readystatechange', () => {
  const box = document.getElementById('audio-text');
  if (box) box.dataset.max = '60';
})`

// checkLongSpeech has a text read that is longer than a request may be: it is split at sentences and is one work, also after
// the page was loaded again.
func checkLongSpeech(ctx context.Context, t *testing.T, url string) {
	t.Helper()
	text := "潮水每天涨两次。其间，沙滩会留住脚印。 " + strings.Repeat("The tide comes in twice a day. ", 4)
	var texts []string
	var frames int
	const ended = `.frame[data-kind="audio"] .pick`
	countFrames := chromedp.Evaluate(`document.querySelectorAll('.frame').length`, &frames)
	await := func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }
	perform(ctx, t, "read a long text", chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := page.AddScriptToEvaluateOnNewDocument(shorterRequests).Do(ctx)
		return err
	}), chromedp.Navigate(url+"/voice"), chromedp.Poll(isReady, nil), chromedp.SendKeys("#audio-text", text, chromedp.ByID),
		chromedp.KeyEvent(kb.Enter, chromedp.KeyModifiers(2)), chromedp.WaitReady(ended), countFrames,
		chromedp.Evaluate(`fetch('/api/jobs?kind=audio').then((response) => response.json()).then(({ jobs }) => jobs.map(({ input }) => input.text).reverse())`, &texts, await))
	if frames != 1 {
		t.Errorf("a long text is %d works", frames)
	}
	if got := strings.Join(texts, ""); len(texts) < 3 || got != text {
		t.Errorf("the parts %q are not the text", texts)
	}
	for _, part := range texts {
		if end := strings.TrimRight(part, " "); len([]rune(part)) > 60 || !strings.HasSuffix(end, ".") && !strings.HasSuffix(end, "。") {
			t.Errorf("the part %q does not end with a sentence, or is too long", part)
		}
	}
	perform(ctx, t, "load the page again", chromedp.Reload(), chromedp.Poll(isReady, nil), chromedp.WaitReady(ended), countFrames)
	if frames != 1 {
		t.Errorf("after a reload a long text is %d works", frames)
	}
}
