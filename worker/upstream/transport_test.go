package upstream_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

func TestNewTransport(t *testing.T) {
	t.Parallel()
	plain := upstream.NewTransport(upstream.Options{})
	if plain.MaxIdleConnsPerHost != 16 || plain.TLSHandshakeTimeout != 10*time.Second || plain.ResponseHeaderTimeout != 0 {
		t.Errorf("defaults: %d connections, handshake %v, header %v",
			plain.MaxIdleConnsPerHost, plain.TLSHandshakeTimeout, plain.ResponseHeaderTimeout)
	}
	if plain.Proxy == nil || !plain.DisableCompression {
		t.Error("proxies are ignored or responses are decompressed")
	}
	sized := upstream.NewTransport(upstream.Options{Slots: 40, ConnectTimeout: time.Second})
	if sized.MaxIdleConnsPerHost != 40 || sized.MaxIdleConns < 40 || sized.TLSHandshakeTimeout != time.Second {
		t.Errorf("sized: %+v", sized)
	}
}

func TestTransportUsesHTTP2(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	transport := upstream.NewTransport(upstream.Options{})
	trust, is := server.Client().Transport.(*http.Transport)
	if !is {
		t.Fatal("test server has no transport")
	}
	transport.TLSClientConfig = trust.TLSClientConfig.Clone()
	t.Cleanup(transport.CloseIdleConnections)
	c := upstream.Caller{HTTP: &http.Client{Transport: transport}}
	var body []byte
	if err := c.Do(t.Context(), newRequest(server.URL), readAll(&body)); err != nil {
		t.Fatal(err)
	}
	if string(body) != "HTTP/2.0" {
		t.Errorf("protocol is %s", body)
	}
}
