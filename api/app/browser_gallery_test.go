package app_test

import (
	"context"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// findByTag tags a work and finds it in the gallery by its tag and by the day it was made. The filters are in the address.
func findByTag(ctx context.Context, t *testing.T, i *instance) {
	for _, s := range []screen{desktop, phone} {
		p := newTab(ctx, t, s)
		p.open(t, i.URL()+"/?lang="+s.lang)
		i.Cookie = p.cookie(t, i.URL())
		// What was made elsewhere moves what is there.
		for _, body := range []fields{imageBody("A heron"), imageBody("A kestrel")} {
			i.Wait(t, i.Submit(t, body).ID)
		}
		p.open(t, i.URL()+"/?lang="+s.lang)
		p.do(t, "make a work with tags", chromedp.Click("#image-prompt"), chromedp.SendKeys("#image-prompt", "A swallow", chromedp.ByID),
			chromedp.Click(`#panel-image [data-chip="options"]`), chromedp.WaitVisible("#image-tags"), chromedp.SendKeys("#image-tags", "spring, birds，spring", chromedp.ByID))
		p.check(t, "tags/composer")
		p.do(t, "create it", press("Enter", input.ModifierCtrl), until(`document.querySelectorAll('.frame .pick').length === 3`))

		p.open(t, i.URL()+"/gallery")
		p.do(t, "choose a tag", chromedp.WaitVisible(`#filter-tags [value="spring"]`), chromedp.Focus(`#filter-tags [value="birds"]`), chromedp.KeyEvent(" "),
			until(`document.querySelectorAll('.frame').length === 1 && location.search === '?tag=birds'`), focusIs(`#filter-tags [value="birds"]`))
		p.check(t, "gallery/tag")
		p.accessible(t, "gallery/tag")
		p.do(t, "load the page again", chromedp.Reload(), until(isReady), chromedp.WaitReady(`#filter-tags [value="birds"]:checked`),
			until(`document.querySelectorAll('.frame').length === 1 && document.querySelector('.caption').textContent.includes('#spring')`))
		p.do(t, "open it, and everything with its other tag", chromedp.Click(".frame .open"), chromedp.WaitVisible("#work[open] #work-recipe"),
			chromedp.Click(`#work-recipe a[href="/gallery?tag=spring"]`), chromedp.WaitNotPresent("#work[open]"), chromedp.WaitReady(`#filter-tags [value="spring"]:checked`))
		p.do(t, "go back twice", chromedp.NavigateBack(), chromedp.WaitVisible("#work[open]"), chromedp.NavigateBack(), chromedp.WaitNotPresent("#work[open]"),
			until(`location.search === '?tag=birds'`))
		p.do(t, "choose days", chromedp.Click("#filter-dates"), chromedp.WaitVisible("#filter-to"))
		p.check(t, "gallery/dates")
		p.do(t, "find nothing of a day long ago", chromedp.Evaluate(`document.querySelector('#filter-to').value = '2020-01-31';
			document.querySelector('#filter-to').dispatchEvent(new Event('input', { bubbles: true }))`, nil), chromedp.WaitVisible("#none"), until(`location.search.includes('to=2020-01-31')`))
		p.do(t, "clear the filters", press("Escape", 0), chromedp.Click("#filter-clear"), until(`document.querySelectorAll('.frame').length === 3 && location.search === ''`))
	}
}

// sharedResults makes the page believe that results are copies of earlier ones, which another service has made, and notes what it
// submits.
const sharedResults = `
window.submitted = [];
const fetched = window.fetch;
window.fetch = async (url, options) => {
  if (options?.method === 'POST' && url === '/api/jobs') {
    const {cache, ...request} = JSON.parse(options.body);
    submitted.push(cache ?? 'default');
    options.body = JSON.stringify(request);
  }
  const response = await fetched(url, options);
  if (!url.startsWith('/api/jobs')) return response;
  const share = (job) => (job.status === 'succeeded' ? {...job, cached: true, usage: undefined, result: {...job.result, upstream: 'Studio B'}} : job);
  const data = await response.json();
  return new Response(JSON.stringify(data.jobs ? {...data, jobs: data.jobs.map(share)} : share(data)), response);
};`

// showShared shows who has made a result, and that it is a copy; it can be made again.
func showShared(ctx context.Context, t *testing.T, i *instance) {
	for _, s := range []screen{desktop, phone} {
		p := newTab(ctx, t, s)
		p.do(t, "share results", chromedp.ActionFunc(func(ctx context.Context) error {
			_, err := page.AddScriptToEvaluateOnNewDocument(sharedResults).Do(ctx)
			return err
		}))
		p.open(t, i.URL()+"/")
		i.Cookie = p.cookie(t, i.URL())
		i.Wait(t, i.Submit(t, imageBody("A heron")).ID)
		p.open(t, i.URL()+"/?lang="+s.lang)
		p.do(t, "show that it is a copy", chromedp.WaitVisible(".caption b"))
		p.check(t, "cached")
		p.do(t, "open it", chromedp.Click(".frame .open"), chromedp.WaitVisible("#work .work-note"), chromedp.WaitVisible(`#work-recipe [data-part="upstream"]`))
		if got := value[string](p, t, `document.querySelector('#work-recipe [data-part="upstream"]').textContent`); !strings.Contains(got, "Studio B") {
			t.Errorf("the result was made %q", got)
		}
		p.check(t, "cached/work")
		p.do(t, "make it anew", chromedp.Click("#work-actions .strong + .strong"), until(`submitted.includes(false)`))
	}
}
