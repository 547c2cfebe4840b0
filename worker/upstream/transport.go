package upstream

import (
	"net"
	"net/http"
	"time"
)

// Options are the settings of a transport.
type Options struct {
	// Slots is how many calls run at once; that many connections to one host are kept. Default 16.
	Slots int
	// ConnectTimeout bounds the dial and, once more, the TLS handshake. Default 10 s.
	ConnectTimeout time.Duration
	// HeaderTimeout bounds the wait for the first byte of a response. Default 0, no bound: an image is painted before
	// its header is sent, and the call's own context bounds the whole attempt.
	HeaderTimeout time.Duration
}

// streamBuffer is how much of a response over HTTP/2 is taken in before anybody reads it. The usual 4 MiB would be held for
// each of the responses that wait for their part of a budget.
const streamBuffer = 512 << 10

// NewTransport returns the transport that all upstreams of a process share: proxies from the environment, HTTP/2,
// connections kept alive and probed, so that a dead peer is noticed while a call waits for a late response. It never
// decompresses, since a response's size is bounded as it is read. The caller closes its idle connections at the end.
func NewTransport(o Options) *http.Transport {
	if o.Slots <= 0 {
		o.Slots = 16
	}
	if o.ConnectTimeout <= 0 {
		o.ConnectTimeout = 10 * time.Second
	}
	const probe = 15 * time.Second
	dialer := &net.Dialer{
		Timeout:         o.ConnectTimeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: probe, Interval: probe, Count: 3},
	}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    o.ConnectTimeout,
		ResponseHeaderTimeout:  o.HeaderTimeout,
		ExpectContinueTimeout:  time.Second,
		MaxIdleConns:           4 * o.Slots,
		MaxIdleConnsPerHost:    o.Slots,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true,
		HTTP2: &http.HTTP2Config{
			SendPingTimeout: probe, PingTimeout: probe, MaxReceiveBufferPerStream: streamBuffer,
		},
	}
}
