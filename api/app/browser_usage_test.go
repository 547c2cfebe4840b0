package app_test

import (
	"context"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// spent answers the page in the place of the server, which has figures of today only.
const spent = `
window.asked = [];
const fetched = window.fetch;
window.fetch = (url, options) => {
  if (!url.startsWith('/api/usage')) return fetched(url, options);
  const budgets = [{scope: 'account', period: 'day', limit: '5', used: '0.27', currency: 'pollen', resets_at: '2026-11-23T00:00:00.000Z', api_key: null}];
  if (options.method === 'PUT') {
    const body = JSON.parse(options.body);
    if (body.per_day) budgets[0].limit = body.per_day;
    return Promise.resolve(Response.json({...body, currency: 'pollen', budgets: body.per_day ? budgets : []}));
  }
  asked.push(new URL(url, location.href).searchParams.get('since'));
  const row = (day, model, units, cost, unpriced) => ({day, kind: null, model, api_key: null, jobs: units, units, cost, currency: cost && 'pollen', unpriced_jobs: unpriced});
  const rows = [row('2026-11-22', 'flux', 131, '0.262', 0), row('2026-11-22', 'elevenlabs', 3, '0.1', 0), row('2026-11-22', null, 12, null, 12), row('2026-11-20', 'flux', 20, '0.0405', 0)];
  const totals = [{jobs: 166, units: 166, cost: '0.4025', currency: 'pollen', unpriced_jobs: 12}];
  return Promise.resolve(Response.json({since: '2026-11-01', until: '2026-11-22', group_by: ['day', 'model'], rows, totals, budgets}));
};`

// showSpending shows what the member of a tab has spent by day and model, and sets a budget.
func showSpending(ctx context.Context, t *testing.T, i *instance, member *tab) {
	for _, s := range []screen{desktop, phone} {
		p := windowOf(ctx, t, member.visitor, s)
		p.do(t, "spend", chromedp.ActionFunc(func(ctx context.Context) error {
			_, err := page.AddScriptToEvaluateOnNewDocument(spent).Do(ctx)
			return err
		}))
		p.open(t, i.URL()+"/account?lang="+s.lang)
		p.do(t, "open the costs", chromedp.WaitVisible("#account-usage summary"), chromedp.Focus("#account-usage summary"), press("Enter", 0), chromedp.WaitVisible(".usage-table"))
		rows := value[[]string](p, t, `[...document.querySelectorAll('.usage-table tbody tr')].map((row) => row.innerText.replace(/\s+/g, ' '))`)
		for n, want := range []string{"146 0.362 pollen + 12", "20 0.0405 pollen", "151 0.3025 pollen", "3 0.1 pollen", "12 12"} {
			if n >= len(rows) || !strings.Contains(rows[n], want) {
				t.Errorf("row %d of %q is not %q", n, rows, want)
			}
		}
		p.do(t, "choose a week", chromedp.Evaluate(`document.querySelector('#usage-period').value = '7'; document.querySelector('#usage-period').dispatchEvent(new Event('change'))`, nil),
			until(`asked.length === 2 && asked[1] > asked[0]`), chromedp.Evaluate("document.querySelector('#account-usage').scrollIntoView(); seen.moved = 0", nil))
		p.check(t, "account/usage")
		p.do(t, "lower the budget", chromedp.Evaluate("document.querySelector('#budget-form').scrollIntoView(); document.querySelector('#budget-day').select()", nil),
			chromedp.SendKeys("#budget-day", "1.5", chromedp.ByID), press("Enter", 0), until(`document.querySelector('#budget-form progress').max === 1.5`))
		if got := value[string](p, t, `document.querySelector('#budget-form li').textContent`); !strings.Contains(got, "0.27") || !strings.Contains(got, "1.5 pollen") {
			t.Errorf("the budget is %q", got)
		}
		p.do(t, "look at it", chromedp.Evaluate("document.querySelector('#toasts').replaceChildren(); seen.moved = 0", nil))
		p.check(t, "account/budget")
		p.accessible(t, "account/budget")
		p.do(t, "remove it", chromedp.Evaluate("document.querySelector('#budget-day').value = ''", nil), chromedp.Focus("#budget-day"), press("Enter", 0), chromedp.WaitNotPresent("#budget-form li"))
	}
}
