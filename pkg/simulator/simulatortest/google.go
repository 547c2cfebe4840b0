package simulatortest

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// Decide does what a user does on Google's consent page at the given address:
// it posts the form, with whatever fields are given in pairs of name and value
// beside the decision, "allow" or "deny". It returns the address to which the
// browser is sent back, without going there, and fails the test when there is
// none.
func Decide(tb testing.TB, address, decision string, fields ...string) *url.URL {
	tb.Helper()
	form := url.Values{"decision": {decision}}
	for n := 0; n+1 < len(fields); n += 2 {
		form.Set(fields[n], fields[n+1])
	}
	request, err := http.NewRequestWithContext(tb.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		tb.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	browser := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		Timeout:       stopWithin,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := browser.Do(request)
	if err != nil {
		tb.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // It is read below, if at all.
	if response.StatusCode != http.StatusFound {
		page, _ := io.ReadAll(response.Body)
		tb.Fatalf("the consent page answered %d: %s", response.StatusCode, page)
	}
	back, err := response.Location()
	if err != nil {
		tb.Fatal(err)
	}
	return back
}
