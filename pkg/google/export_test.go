package google

import "net/http"

// WithTransport replaces the HTTP transport.
func WithTransport(t http.RoundTripper) Option { return func(c *Client) { c.http = newHTTP(t) } }
