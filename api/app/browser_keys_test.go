package app_test

import (
	"net/http"
	"regexp"
	"testing"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/chromedp"

	"github.com/text2image-audio/text2image-audio/api/app/apptest"
)

// TestAPIKeysInBrowser creates an API key on the page, uses it, and revokes it there.
func TestAPIKeysInBrowser(t *testing.T) {
	t.Parallel()
	i := start(t, apptest.Config(t, t.TempDir()))
	ctx := browser(t)
	w := watch(ctx)
	var key, row string
	perform(ctx, t, "open the account", log.Enable(), chromedp.Navigate(i.URL()+"/account"), chromedp.Poll(isReady, nil), chromedp.WaitVisible("#account-signin"))
	perform(ctx, t, "sign up", chromedp.Click(`#account-signin [data-view="signup"]`), chromedp.SendKeys("#signup-username", "Ann", chromedp.ByID),
		chromedp.SendKeys("#signup-email", "ann@example.org", chromedp.ByID), chromedp.SendKeys("#signup-password", "correct horse battery", chromedp.ByID),
		chromedp.Click(`#signup-form [type="submit"]`), chromedp.WaitReady(`html[data-member="true"]`))
	perform(ctx, t, "create a key", chromedp.Navigate(i.URL()+"/account"), chromedp.Poll(isReady, nil), chromedp.Click("#account-keys summary"),
		chromedp.WaitVisible("#keys-form"), chromedp.SendKeys("#keys-name", "nightly build", chromedp.ByID), chromedp.Click(`#keys-form [type="submit"]`),
		chromedp.WaitVisible("#keys-new"), chromedp.Value("#keys-new", &key), chromedp.Text("#keys-list li", &row))
	if !regexp.MustCompile(`^t2i_[0-9A-Za-z]{49}$`).MatchString(key) || !regexp.MustCompile("nightly build").MatchString(row) {
		t.Errorf("the key %q, the row %q", key, row)
	}
	status := func() int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, i.URL()+"/api/jobs", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+key)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	if got := status(); got != http.StatusOK {
		t.Errorf("a request with the key: %d", got)
	}
	perform(ctx, t, "revoke it", chromedp.Click("#keys-list button"), chromedp.WaitVisible("#keys-list button.danger"), chromedp.Click("#keys-list button"),
		chromedp.WaitNotPresent("#keys-list li"))
	if got := status(); got != http.StatusUnauthorized {
		t.Errorf("a request with the revoked key: %d", got)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, fault := range w.faults {
		t.Error(fault)
	}
}
