package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

const (
	// attemptTimeout bounds an attempt, from the resolution of the host to the end of the response.
	attemptTimeout = 15 * time.Second
	// maxResponse bounds how much of the header and of the body of a response is read. The body is not used.
	maxResponse = 64 << 10
)

// sender sends events.
type sender struct {
	// secure and plain send to URLs with https and http.
	secure, plain *http.Client
	userAgent     string
	timeout       time.Duration
	now           func() time.Time
}

func newSender(g *guard, version string, now func() time.Time) *sender {
	client := func(secure bool) *http.Client {
		return &http.Client{
			Transport: &http.Transport{
				// A proxy would connect to addresses that the guard does not see.
				Proxy:                  nil,
				DialContext:            g.dialer(secure),
				TLSHandshakeTimeout:    attemptTimeout,
				TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
				MaxResponseHeaderBytes: maxResponse,
				DisableCompression:     true,
				// Every attempt resolves the host again.
				DisableKeepAlives: true,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	return &sender{secure: client(true), plain: client(false), userAgent: "text2image-audio/" + version, timeout: attemptTimeout, now: now}
}

// send makes one attempt. It takes at most attemptTimeout.
func (s *sender) send(ctx context.Context, d *Delivery, keys [][]byte) result {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL, bytes.NewReader(d.Body))
	if err != nil {
		return result{failure: FailureConnection}
	}
	now := s.now()
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", s.userAgent)
	req.Header.Set("Webhook-Id", d.ID)
	req.Header.Set("Webhook-Timestamp", strconv.FormatInt(now.Unix(), 10))
	req.Header.Set("Webhook-Signature", sign(keys, d.ID, now, d.Body))
	client := s.secure
	if req.URL.Scheme == "http" {
		client = s.plain
	}
	resp, err := client.Do(req)
	if err != nil {
		return result{failure: failureOf(err)}
	}
	defer func() { _ = resp.Body.Close() }()
	// The receiver may still be writing; a body that is too long or does not end makes no difference to the status.
	_, _ = io.CopyN(io.Discard, resp.Body, maxResponse)
	r := result{status: resp.StatusCode, retryAfter: retryAfter(resp.StatusCode, resp.Header, now)}
	switch {
	case r.status >= 300 && r.status < 400:
		r.failure = FailureRedirect
	case r.status < 200 || r.status >= 300:
		r.failure = FailureStatus
	}
	return r
}

// failureOf classifies the error of a request without a response.
func failureOf(err error) Failure {
	var dns *net.DNSError
	var timeout net.Error
	var record tls.RecordHeaderError
	var certificate *tls.CertificateVerificationError
	var alert tls.AlertError
	switch {
	case errors.Is(err, errAddress):
		return FailureAddress
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return FailureTimeout
	case errors.As(err, &dns):
		return FailureDNS
	case errors.As(err, &certificate), errors.As(err, &record), errors.As(err, &alert):
		return FailureTLS
	}
	return FailureConnection
}
