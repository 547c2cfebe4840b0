package deepseek

import (
	"io"
	"time"
)

// SetIdle sets the time after which a response without progress times out.
func (c *Config) SetIdle(d time.Duration) { c.idle = d }

// CleanImproved cleans the response to Improve.
func CleanImproved(raw, input string) string { return improvement().clean(raw, input) }

// CleanTranslated cleans the response to Translate.
func CleanTranslated(raw, input string) string { return translation().clean(raw, input) }

// Enclose returns a text between tags.
func Enclose(text string) string { return enclose(text) }

// Events returns the data of every event in a stream and the error that ended it.
func Events(in io.Reader) ([]string, error) {
	events, all := newEvents(in), []string(nil)
	for {
		data, err := events.next()
		if err != nil {
			return all, err
		}
		all = append(all, string(data))
	}
}
