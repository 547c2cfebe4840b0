package app_test

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// manageKeys creates an API key on the page, uses it, and revokes it there. It also looks at what the member has spent.
func manageKeys(ctx context.Context, t *testing.T, i *instance) {
	p := newTab(ctx, t, desktop)
	p.signUp(t, i.URL(), "ann@example.org")
	p.open(t, i.URL()+"/account")
	p.do(t, "open the keys", chromedp.Click("#account-keys summary"), chromedp.WaitVisible("#keys-form"))
	p.check(t, "account/keys/none")
	// The answer to a click may move what is below it, however long a busy server takes for it.
	p.do(t, "create a key", chromedp.SendKeys("#keys-name", "nightly build", chromedp.ByID), chromedp.Click(`#keys-form [type="submit"]`),
		chromedp.WaitVisible("#keys-new"), chromedp.WaitVisible("#keys-list li"), chromedp.Evaluate("seen.moved = 0", nil))
	key, row := value[string](p, t, `document.querySelector('#keys-new').value`), value[string](p, t, `document.querySelector('#keys-list li').textContent`)
	if !regexp.MustCompile(`^t2i_[0-9A-Za-z]{49}$`).MatchString(key) || !strings.Contains(row, "nightly build") {
		t.Errorf("the key %q, the row %q", key, row)
	}
	use := func(want int) {
		t.Helper()
		if resp := i.Do(t, http.MethodGet, "/api/jobs", nil, "Authorization: Bearer "+key); resp.StatusCode != want {
			t.Errorf("a request with the key: status %d, want %d", resp.StatusCode, want)
		}
	}
	use(http.StatusOK)
	p.check(t, "account/keys")
	p.accessible(t, "account/keys")
	p.do(t, "revoke it", chromedp.Click("#keys-list button"), chromedp.WaitVisible("#keys-list button.danger"), chromedp.Click("#keys-list button"),
		chromedp.WaitNotPresent("#keys-list li"))
	use(http.StatusUnauthorized)
	showSpending(ctx, t, i, p)
}
