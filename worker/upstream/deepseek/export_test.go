package deepseek

import (
	"io"
	"time"
)

// SetDialect sets how the service is spoken to, whatever its host.
func (c *Config) SetDialect(name string) { c.dialect = name }

// SetIdle sets how long a response may make no progress.
func (c *Config) SetIdle(d time.Duration) { c.idle = d }

// CleanImproved and CleanTranslated let tests see what is left of a model's words.
func CleanImproved(raw, input string) string { return improvement().clean(raw, input) }

// CleanTranslated is CleanImproved for a translation.
func CleanTranslated(raw, input string) string { return translation().clean(raw, input) }

// Enclose lets tests see the marks around a text.
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
