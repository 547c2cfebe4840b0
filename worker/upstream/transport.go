package upstream

import (
	"net"
	"net/http"
	"time"
)

// Options are the settings of a transport.
type Options struct {
	// Slots is the number of concurrent calls, and of connections kept to one host. Default 16.
	Slots int
	// ConnectTimeout bounds the dial and, once more, the TLS handshake. Default 10 s.
	ConnectTimeout time.Duration
}

// streamBuffer bounds how much of an HTTP/2 response is buffered before it is read. Each response that waits for its
// budget would hold the default of 4 MiB.
const streamBuffer = 512 << 10

// NewTransport returns the transport that all upstreams of a process share. It uses proxies from the environment, HTTP/2
// and keep-alive probes, so that a dead peer is noticed while a call waits for its response. It never decompresses, since
// the limit of a response applies to the bytes as received. The wait for the response header is unlimited: the header of
// an image is sent after its generation, which the call's context bounds. The caller must close idle connections in the
// end.
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
