package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http/httptrace"
	"sync/atomic"
)

// errDropped is the cause of a call whose connection was closed before a response.
var errDropped = errors.New("connection was closed without a response")

// singleConnection returns a context in which the transport sends a request over one connection and no other. Left to itself it
// repeats a GET as often as it has kept connections that end without a response, and the upstream begins, and bills, each
// of these: repeating is for who counts the attempts. HTTP/2 is let be, since it repeats only what was not begun.
func singleConnection(ctx context.Context, cancel context.CancelCauseFunc) context.Context {
	var got atomic.Int32
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			if secure, is := info.Conn.(*tls.Conn); is && secure.ConnectionState().NegotiatedProtocol == "h2" {
				return
			}
			if got.Add(1) > 1 {
				// Nothing has been written to this one yet; closed, nothing can be.
				cancel(errDropped)
				_ = info.Conn.Close()
			}
		},
	})
}
