package app_test

import (
	"context"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// improveInPeace has a prompt improved. Until that has ended nothing else changes the text, and half of it is not sent; what the
// box is filled with from elsewhere stays.
func improveInPeace(ctx context.Context, t *testing.T, i *instance) {
	const improve = `#panel-image [data-verb="improve"]`
	p := newTab(ctx, t, desktop)
	p.open(t, i.URL()+"/")
	prompt := func() string { return value[string](p, t, `document.querySelector('#image-prompt').value`) }
	start := func() {
		t.Helper()
		i.operate(t, "pause", "prompt")
		p.do(t, "improve", chromedp.SetValue("#image-prompt", "A heron", chromedp.ByID), chromedp.Click(improve), chromedp.WaitReady(improve+".running"),
			until(`fetch('/api/jobs?kind=prompt&status=queued').then((response) => response.json()).then(({ jobs }) => jobs.length === 1)`))
	}
	end := func() {
		t.Helper()
		i.operate(t, "resume", "prompt")
		p.do(t, "wait for the end", until(`!document.querySelector('#image-prompt').readOnly`))
	}

	start()
	p.do(t, "press everything else", chromedp.Evaluate(`document.querySelectorAll('#panel-image [data-verb]:not([data-verb="improve"]), #panel-image .primary').forEach((button) => button.click())`, nil),
		chromedp.Focus("#image-prompt"), press("Enter", input.ModifierCtrl))
	if got := prompt(); got != "A heron" {
		t.Errorf("the text is %q while it is being improved", got)
	}
	end()
	if got := prompt(); len(got) <= len("A heron") {
		t.Errorf("the improved text is %q", got)
	}
	if n := value[int](p, t, `document.querySelectorAll('.frame').length`); n != 0 {
		t.Errorf("%d works were made of a text that was being improved", n)
	}

	start()
	p.do(t, "fill the box", chromedp.Evaluate(`(() => {
  const link = document.createElement('a');
  link.href = '/?prompt=A+kestrel';
  document.body.append(link);
  link.click();
  link.remove();
})()`, nil))
	end()
	if got := prompt(); got != "A kestrel" {
		t.Errorf("the text is %q, want what the box was filled with meanwhile", got)
	}
}
