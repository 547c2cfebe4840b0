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
  asked.push(new URL(url, location.href).searchParams.get('since'));
  const row = (day, model, units, cost, unpriced) => ({day, kind: null, model, api_key: null, jobs: units, units, cost, currency: cost && 'pollen', unpriced_jobs: unpriced});
  const rows = [row('2026-11-22', 'flux', 131, '0.262', 0), row('2026-11-22', 'elevenlabs', 3, '0.1', 0), row('2026-11-22', null, 12, null, 12), row('2026-11-20', 'flux', 20, '0.0405', 0)];
  const totals = [{jobs: 166, units: 166, cost: '0.4025', currency: 'pollen', unpriced_jobs: 12}];
  return Promise.resolve(Response.json({since: '2026-11-01', until: '2026-11-22', group_by: ['day', 'model'], rows, totals}));
};`

// showSpending shows what the member of a tab has spent by day and model.
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
		p.accessible(t, "account/usage")
	}
}
