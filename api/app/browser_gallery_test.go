package app_test

import (
	"context"
	"testing"

	"github.com/chromedp/cdproto/input"
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
