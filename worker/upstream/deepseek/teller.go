package deepseek

import "time"

// callbackInterval is how often somebody who reads along is told the text so far: often enough to look fluent, seldom enough
// that passing it on costs less than the model's own work.
const callbackInterval = 200 * time.Millisecond

// throttledCallback tells somebody the text while it is written. Without anybody to tell it does nothing.
type throttledCallback struct {
	tell  func(soFar string)
	clean func(raw string) string
	last  time.Time
	told  string
}

// update takes the text as far as it is written, and tells it when the last time is long enough ago.
func (t *throttledCallback) update(raw string) {
	if t.tell == nil || raw == "" {
		return
	}
	now := time.Now()
	if !t.last.IsZero() && now.Sub(t.last) < callbackInterval {
		return
	}
	text := t.clean(raw)
	if text == "" || text == t.told {
		return
	}
	t.last, t.told = now, text
	t.tell(text)
}

// finish tells the whole text.
func (t *throttledCallback) finish(text string) {
	if t.tell != nil && text != t.told {
		t.tell(text)
	}
}
