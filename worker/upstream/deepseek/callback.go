package deepseek

import "time"

// callbackInterval is the interval of callbacks: short enough to look fluent, long enough to store each text.
const callbackInterval = 200 * time.Millisecond

// throttledCallback passes on a text while it is written. Without a function it does nothing.
type throttledCallback struct {
	tell  func(soFar string)
	clean func(raw string) string
	last  time.Time
	told  string
}

// update passes the text so far on, unless the last callback was less than callbackInterval ago.
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

// finish passes the whole text on.
func (t *throttledCallback) finish(text string) {
	if t.tell != nil && text != t.told {
		t.tell(text)
	}
}
