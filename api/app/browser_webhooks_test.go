package app_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"
)

// manageWebhooks sets a webhook on the page, tests it, rotates its secret and sends an event again.
func manageWebhooks(ctx context.Context, t *testing.T, i *instance) {
	for _, s := range []screen{desktop, phone} {
		var status atomic.Int32
		status.Store(http.StatusGone)
		received := make(chan hookEvent, 100)
		receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			received <- hookEvent{r.Header, body}
			w.WriteHeader(int(status.Load()))
		}))
		t.Cleanup(receiver.Close)
		p := newTab(ctx, t, s)
		p.expected = "400"
		p.signUp(t, i.URL(), "hooks-"+s.name+"@example.org")
		p.open(t, i.URL()+"/account?lang="+s.lang)
		secret := func() string { return value[string](p, t, `document.querySelector('#webhooks-secret').value`) }
		// They stay in this test, and would be in the way.
		noToasts := chromedp.Evaluate("document.querySelector('#toasts').replaceChildren()", nil)
		first := func(state string) chromedp.Action {
			return until(`document.querySelector('#webhooks-list li')?.dataset.status === '` + state + `'`)
		}

		p.do(t, "refuse an address", chromedp.WaitVisible("#account-webhooks summary"), chromedp.Focus("#account-webhooks summary"), press("Enter", 0),
			until(`document.querySelectorAll('#webhooks-form :checked').length === 3`), chromedp.SendKeys("#webhooks-url", "https://10.0.0.1/", chromedp.ByID),
			press("Enter", 0), chromedp.WaitVisible(`#webhooks-url[aria-invalid="true"]`), focusIs("#webhooks-url"))
		p.do(t, "set a URL", chromedp.Evaluate("document.querySelector('#webhooks-url').select()", nil), chromedp.SendKeys("#webhooks-url", receiver.URL, chromedp.ByID), press("Enter", 0),
			chromedp.WaitNotPresent(`#webhooks-url[aria-invalid="true"]`), until(`document.querySelector('#toasts').textContent !== ''`))
		p.do(t, "send a test that disables it", noToasts, chromedp.Click("#webhooks-ping"), first("disabled"), chromedp.WaitVisible("#webhooks .account-message:not(:empty)"))
		status.Store(http.StatusNoContent)
		p.do(t, "send a test that enables it", noToasts, chromedp.Click("#webhooks-ping"), first("delivered"), until(`document.querySelector('#webhooks .account-message').textContent === ''`))
		nextEvent(t, received)
		ping, _ := nextEvent(t, received)

		if shown := secret(); strings.Contains(value[string](p, t, `document.documentElement.outerHTML`), "whsec_M") || !strings.Contains(shown, "•") {
			t.Errorf("the secret is shown before it is asked for: %s", shown)
		}
		p.do(t, "show the secret", noToasts, chromedp.Click(`[aria-controls="webhooks-secret"]`), until(`!document.querySelector('#webhooks-secret').value.includes('•')`))
		before := secret()
		p.do(t, "rotate it, which a double click does not", chromedp.Click("#webhooks-rotate"), chromedp.DoubleClick("#webhooks-rotate"),
			chromedp.WaitVisible("#webhooks-rotate.danger"))
		if now := secret(); now != before {
			t.Errorf("a double click has rotated the secret to %s", now)
		}
		p.do(t, "rotate it", chromedp.Click("#webhooks-rotate"), until(fmt.Sprintf(`document.querySelector('#webhooks-secret').value !== %q`, before)),
			chromedp.WaitVisible(`#webhooks [role="status"]:not([hidden])`))
		p.do(t, "send it again", noToasts, chromedp.Click("#webhooks-list button"), until(`document.activeElement.matches('#webhooks-list button')`))
		again, _ := nextEvent(t, received)
		if again.header.Get("Webhook-Id") != ping.header.Get("Webhook-Id") || !again.verifies(t, before) || !again.verifies(t, secret()) {
			t.Errorf("the test is %v, and sent again %v", ping.header, again.header)
		}
		p.do(t, "see that it has arrived", until(`document.querySelector('#webhooks-list li').textContent.includes('2')`), first("delivered"))
		look := func(at string) {
			p.do(t, "look at "+at, noToasts, chromedp.Evaluate(fmt.Sprintf("document.querySelector(%q).scrollIntoView(); seen.moved = 0", at), nil))
			p.check(t, "account/webhooks"+strings.ReplaceAll(at, "#", "/"))
		}
		look("#webhooks-list")
		p.do(t, "hide the secret", chromedp.Click(`[aria-controls="webhooks-secret"]`))
		look("#account-webhooks")
		p.accessible(t, "account/webhooks")
	}
}

// signUp makes the visitor of a tab a member.
func (p *tab) signUp(t *testing.T, url, email string) {
	t.Helper()
	p.open(t, url+"/account")
	p.do(t, "sign up", chromedp.WaitVisible("#view-account:not([inert]) #account-signin"),
		chromedp.Click(`#account-signin [data-view="signup"]`), chromedp.SendKeys("#signup-username", "Ann", chromedp.ByID),
		chromedp.SendKeys("#signup-email", email, chromedp.ByID), chromedp.SendKeys("#signup-password", "correct horse battery", chromedp.ByID),
		chromedp.Click(`#signup-form [type="submit"]`), chromedp.WaitReady(`html[data-member="true"]`))
}
