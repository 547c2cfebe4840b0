package app_test

import (
	"context"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// loseConnection opens the page and loses the connection before the examples of the empty sheet are loaded. Nobody has asked for
// them, so the page says nothing about them; they come with the connection.
func loseConnection(ctx context.Context, t *testing.T, i *instance) {
	p := newTab(ctx, t, desktop)
	p.expected = "ERR_INTERNET_DISCONNECTED"
	p.open(t, i.URL()+"/")
	// The sheet is empty only when the list of jobs has been read, and a stream that opens later would say that there is a connection.
	p.do(t, "show the empty sheet", chromedp.WaitVisible("#empty"), until(isLive))
	p.do(t, "lose the connection", offline(true), until(`performance.getEntriesByType('resource').some(({ name }) => name.includes('/js/examples.'))`),
		until(`document.querySelector('#link-state').dataset.state !== 'live'`))
	if got := value[string](p, t, `document.querySelector('#toasts').textContent`); got != "" {
		t.Errorf("the page says %q", got)
	}
	p.do(t, "look again", offline(false), until(isLive), chromedp.WaitVisible("#examples .example"))
}

// sendFromOtherTab creates something without a connection and has another tab of the visitor send it: this one does not keep it
// waiting.
func sendFromOtherTab(ctx context.Context, t *testing.T, i *instance) {
	p := newTab(ctx, t, desktop)
	p.expected = "ERR_INTERNET_DISCONNECTED"
	p.open(t, i.URL()+"/")
	p.do(t, "create without a connection", until(isLive), offline(true), chromedp.SendKeys("#image-prompt", "A ferry in the fog", chromedp.ByID),
		press("Enter", input.ModifierCtrl), chromedp.WaitReady(`.frame[data-state="unsent"]`))
	other := p.another(ctx, t)
	other.open(t, i.URL()+"/")
	other.do(t, "send it", chromedp.WaitVisible(`.frame[data-state="image"]`))
	p.do(t, "notice", chromedp.WaitNotPresent(`.frame[data-state="unsent"]`))
}

// offline cuts the browser off, or connects it again.
func offline(off bool) chromedp.Action {
	return network.EmulateNetworkConditions(off, 0, -1, -1)
}
