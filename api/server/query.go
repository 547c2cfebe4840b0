package server

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
)

// queries are the query parameters of native routes. A route rejects all others, so that a misspelled filter does not return
// a wrong result. A route that is not listed checks its own parameters.
var queries = map[string][]string{
	"/api/jobs":                  {"limit", "cursor", "q", "kind", "status", "state", "tag", "created_after", "created_before"},
	"/api/jobs/:id":              {"wait"},
	"/api/jobs/:id/events":       {"last_event_id"},
	"/api/jobs/:id/media/:index": {"download", "w"},
	"/api/jobs/:id/cancel":       nil,
	"/api/jobs/:id/retry":        nil,
	"/api/uploads":               nil,
	"/api/uploads/:id":           {"download"},
	"/api/events":                {"last_event_id"},
	"/api/models":                nil,
	"/api/quota":                 nil,
	"/api/usage":                 {"since", "until", "group_by", "kind", "model", "api_key"},
	"/api/usage/budget":          nil,
	"/api/keys":                  nil,
	"/api/keys/:id":              nil,
	"/api/webhooks":              nil,
	"/api/webhooks/secret":       nil,
	"/api/webhooks/deliveries":   {"limit", "cursor"},
	"/api/webhooks/ping":         nil,
	"/api/batches":               {"limit", "cursor"},
	"/api/batches/:id":           {"limit", "cursor", "status"},
	"/api/batches/:id/events":    {"last_event_id"},
	"/api/batches/:id/cancel":    nil,
	"/api/batches/:id/retry":     nil,

	"/api/batches/:id/results.zip": nil,

	"/api/webhooks/deliveries/:id/redeliver": nil,
}

// repeatable are the parameters that may appear more than once.
var repeatable = []string{"kind", "status", "state", "tag", "group_by", "model", "api_key"}

// choices are the values of parameters that only have few.
var choices = map[string][]string{"download": {"1", "true"}, "w": thumbnailWidths}

// checkQuery rejects parameters that are unknown, repeated or malformed, and those of choices with another value. url.URL.Query leaves out
// the malformed ones, so that a filter with an invalid escape would select everything.
func (m *middleware) checkQuery(c *gin.Context) {
	if c.Request.URL.RawQuery == "" {
		return
	}
	known, listed := queries[c.FullPath()]
	if !listed {
		return
	}
	if method := c.Request.Method; method != http.MethodGet && method != http.MethodHead {
		known = nil
	}
	given := c.Request.URL.Query()
	var b bind.Binder
	for pair := range strings.SplitSeq(c.Request.URL.RawQuery, "&") {
		if _, err := url.ParseQuery(pair); err != nil {
			name, _, _ := strings.Cut(pair, "=")
			b.Add("?"+bind.Escape(name), "invalid_value")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		pointer := "?" + bind.Escape(name)
		switch {
		case !slices.Contains(known, name):
			b.Add(pointer, "unknown_field")
		case len(given[name]) > 1 && !slices.Contains(repeatable, name):
			b.Add(pointer, "duplicate_field")
		case choices[name] != nil && !slices.Contains(choices[name], given[name][0]):
			b.Add(pointer, "unknown_value", "known", bind.Join(choices[name]))
		}
	}
	if err := b.Err(); err != nil {
		m.problems.Write(c, err)
	}
}
