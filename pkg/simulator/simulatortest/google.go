package simulatortest

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// Decide submits the form of Google's consent page at the given URL, with the
// decision "allow" or "deny" and further fields as pairs of name and value. It
// returns the URL to which the browser is redirected, without following it, and
// fails the test if there is none.
func Decide(tb testing.TB, page, decision string, fields ...string) *url.URL {
	tb.Helper()
	form := url.Values{"decision": {decision}}
	for n := 0; n+1 < len(fields); n += 2 {
		form.Set(fields[n], fields[n+1])
	}
	request, err := http.NewRequestWithContext(tb.Context(), http.MethodPost, page, strings.NewReader(form.Encode()))
	if err != nil {
		tb.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	browser := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := browser.Do(request)
	if err != nil {
		tb.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // It is read below, if at all.
	if response.StatusCode != http.StatusFound {
		body, _ := io.ReadAll(response.Body)
		tb.Fatalf("the consent page returned status %d: %s", response.StatusCode, body)
	}
	target, err := response.Location()
	if err != nil {
		tb.Fatal(err)
	}
	return target
}
