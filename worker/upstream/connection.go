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

// singleConnection returns a context in which the transport sends a request over only one connection. By default it
// repeats a GET for each kept-alive connection that ends without a response, and the upstream may run, and bill, all of
// them; retries belong to the caller, who counts attempts. HTTP/2 is exempt, since it repeats only requests that the
// server has not begun.
func singleConnection(ctx context.Context, cancel context.CancelCauseFunc) context.Context {
	var got atomic.Int32
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			if secure, is := info.Conn.(*tls.Conn); is && secure.ConnectionState().NegotiatedProtocol == "h2" {
				return
			}
			if got.Add(1) > 1 {
				// Nothing has been written to this connection yet.
				cancel(errDropped)
				_ = info.Conn.Close()
			}
		},
	})
}
