package google

import (
	"errors"
	"io"
	"net/http"
	"time"
)

const (
	// callTimeout bounds one request to Google.
	callTimeout = 10 * time.Second
	// maxResponse bounds a response, in bytes.
	maxResponse = 256 << 10
)

var errTooLarge = errors.New("the response is too large")

// newHTTP returns a client that bounds the time and the size of responses. It follows no redirects: no endpoint needs one, and
// the client secret must not be sent elsewhere. It keeps no connections alive, so that net/http does not resend a request whose
// connection the server has closed.
func newHTTP(transport http.RoundTripper) *http.Client {
	if transport == nil {
		own := http.DefaultTransport.(*http.Transport).Clone()
		own.DisableKeepAlives = true
		transport = own
	}
	return &http.Client{
		Transport:     &bounded{transport},
		Timeout:       callTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// bounded fails responses that are too large.
type bounded struct{ http.RoundTripper }

// RoundTrip sends a request.
func (b *bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = &limitedBody{resp.Body, maxResponse}
	return resp, nil
}

type limitedBody struct {
	io.ReadCloser
	left int64
}

// Read fails with errTooLarge beyond the limit.
func (b *limitedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}
