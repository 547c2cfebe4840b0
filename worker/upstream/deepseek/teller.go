package deepseek

import "time"

// tellEvery is how often somebody who reads along is told the text so far: often enough to look fluent, seldom enough
// that passing it on costs less than the model's own work.
const tellEvery = 200 * time.Millisecond

// teller tells somebody the text while it is written. Without anybody to tell it does nothing.
type teller struct {
	tell  func(soFar string)
	clean func(raw string) string
	last  time.Time
	told  string
}

// hear takes the text as far as it is written, and tells it when the last time is long enough ago.
func (t *teller) hear(raw string) {
	if t.tell == nil || raw == "" {
		return
	}
	now := time.Now()
	if !t.last.IsZero() && now.Sub(t.last) < tellEvery {
		return
	}
	text := t.clean(raw)
	if text == "" || text == t.told {
		return
	}
	t.last, t.told = now, text
	t.tell(text)
}

// end tells the whole text.
func (t *teller) end(text string) {
	if t.tell != nil && text != t.told {
		t.tell(text)
	}
}
