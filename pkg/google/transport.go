package google

import (
	"errors"
	"io"
	"net/http"
	"time"
)

const (
	// callTimeout bounds one call of Google.
	callTimeout = 10 * time.Second
	// maxAnswer bounds what is read of an answer.
	maxAnswer = 256 << 10
)

var errTooLarge = errors.New("the answer is too large")

// newHTTP returns a client of which a hostile or broken Google can take neither memory nor time. It follows no redirects:
// none of the routes has one, and the client's secret must not travel. Connections are not kept, so that a call on one
// that had gone is not sent twice behind the caller's back.
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

// bounded cuts answers that are too large.
type bounded struct{ http.RoundTripper }

// RoundTrip sends a request.
func (b *bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = &cutBody{resp.Body, maxAnswer}
	return resp, nil
}

type cutBody struct {
	io.ReadCloser
	left int64
}

// Read fails once more was sent than is accepted.
func (b *cutBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}
