package app_test

import (
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
)

// readAxe reads axe-core, which finds faults of accessibility. It is the file of the npm package, with its licence beside it.
var readAxe = sync.OnceValues(func() (string, error) {
	source, err := os.ReadFile("testdata/axe/axe.min.js")
	return string(source), err
})

// serious returns the serious and critical findings of axe-core, one per line.
const serious = `axe.run(document, {resultTypes: ['violations'], runOnly: RUN}).then(({violations}) => violations
  .filter(({impact}) => impact === 'serious' || impact === 'critical')
  .flatMap(({id, nodes}) => nodes.map(({target, failureSummary}) => id + ' ' + target.join(' ') + ': ' + failureSummary.split('\n').slice(1).join(';'))).join('\n'))`

// accessible fails the test if axe-core has serious or critical findings, in the light theme and the colors of the dark one too.
func (p *tab) accessible(t *testing.T, view string) {
	t.Helper()
	source, err := readAxe()
	if err != nil {
		t.Fatal(err)
	}
	if !value[bool](p, t, "'axe' in window") {
		p.do(t, "load axe-core", chromedp.Evaluate(source, nil))
	}
	find := func(theme, run string) {
		if found := value[string](p, t, strings.Replace(serious, "RUN", run, 1)); found != "" {
			t.Errorf("%s, %s: %s", view, theme, found)
		}
	}
	find("light", "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']")
	p.inDark(t, func() {
		find("dark", "['color-contrast']")
		p.shoot(t, view, "dark")
	})
}
