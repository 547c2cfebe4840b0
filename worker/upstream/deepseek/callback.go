package deepseek

import "time"

// callbackInterval is the minimum time between callbacks: short enough to look fluent, long enough to store each text.
const callbackInterval = 200 * time.Millisecond

// throttledCallback reports a partial text to a function, at most once per interval. A nil function is not called.
type throttledCallback struct {
	call     func(soFar string)
	clean    func(raw string) string
	last     time.Time
	lastText string
}

// update reports the text so far, unless the last callback was less than callbackInterval ago.
func (t *throttledCallback) update(raw string) {
	if t.call == nil || raw == "" {
		return
	}
	now := time.Now()
	if !t.last.IsZero() && now.Sub(t.last) < callbackInterval {
		return
	}
	text := t.clean(raw)
	if text == "" || text == t.lastText {
		return
	}
	t.last, t.lastText = now, text
	t.call(text)
}

// finish reports the complete text.
func (t *throttledCallback) finish(text string) {
	if t.call != nil && text != t.lastText {
		t.call(text)
	}
}
