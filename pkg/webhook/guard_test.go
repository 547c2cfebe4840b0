package webhook

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

func allow(networks ...string) *guard {
	g := &guard{}
	for _, network := range networks {
		g.allowed = append(g.allowed, netip.MustParsePrefix(network))
	}
	return g
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for text, public := range map[string]bool{
		"93.184.216.34": true, "2606:2800:220:1::1": true, "::ffff:93.184.216.34": true,
		"127.0.0.1": false, "127.9.9.9": false, "::1": false, "0.0.0.0": false, "0.1.2.3": false, "::": false,
		"10.0.0.1": false, "172.16.0.1": false, "192.168.1.1": false, "169.254.169.254": false, "100.64.0.1": false, "100.127.255.255": false,
		"192.0.0.170": false, "192.88.99.1": false, "198.18.0.1": false, "203.0.113.9": false, "224.0.0.1": false, "240.0.0.1": false, "255.255.255.255": false,
		"::ffff:10.0.0.1": false, "::ffff:127.0.0.1": false, "::127.0.0.1": false, "64:ff9b::a00:1": false, "64:ff9b:1::a00:1": false,
		"2002:a00:1::": false, "2001:0:a00:1::": false, "fe80::1": false, "fc00::1": false, "fd00:ec2::254": false, "fec0::1": false,
		"ff02::1": false, "2001:db8::1": false, "5f00::1": false, "100::1": false, "fe80::1%eth0": false, "2606:2800:220:1::1%eth0": false,
	} {
		addr := netip.MustParseAddr(text)
		if got := allow().check(addr, 443, true) == nil; got != public {
			t.Errorf("%s: allowed %t", text, got)
		}
		if allow().check(addr, 443, false) == nil || allow().check(addr, 25, true) == nil {
			t.Errorf("%s is allowed without TLS or on port 25", text)
		}
	}
	for text, allowed := range map[string]bool{"127.0.0.1": true, "::ffff:127.0.0.1": true, "::1": false, "10.0.0.1": false, "126.255.255.255": false} {
		if got := allow("127.0.0.0/8").check(netip.MustParseAddr(text), 3000, false) == nil; got != allowed {
			t.Errorf("with an allowed network, %s: %t", text, got)
		}
	}
}

func TestCheckURL(t *testing.T) {
	t.Parallel()
	for url, valid := range map[string]bool{
		"https://hooks.example.org/a?token=1": true, "https://hooks.example.org:8443/": true, "HTTPS://hooks.example.org": true,
		"https://93.184.216.34/": true, "https://[2606:2800:220:1::1]/": true,
		"http://hooks.example.org/": false, "https://hooks.example.org:25/": false, "https://hooks.example.org:/": false, "https://hooks.example.org:0/": false,
		"https://u:p@hooks.example.org/": false, "https://u@hooks.example.org/": false, "https://hooks.example.org/#a": false, "https://hooks.example.org/#": false,
		"https://127.0.0.1/": false, "https://169.254.169.254/": false, "https://[::ffff:10.0.0.1]/": false, "https://[fe80::1%25eth0]/": false,
		"ftp://hooks.example.org/": false, "//hooks.example.org/": false, "hooks.example.org": false, "https://": false, "": false,
		"https://hooks.example.org/ a": false, "https://hooks.example.org\\@evil.example/": false, "https:hooks.example.org": false,
	} {
		if got := allow().checkURL(url); got != valid {
			t.Errorf("%q: %t", url, got)
		}
	}
	// With an allowed network, whether a name is in it shows only at the attempt.
	for url, valid := range map[string]bool{
		"http://hooks.internal:3000/": true, "http://127.0.0.1:3000/": true, "http://10.0.0.1/": false, "http://u:p@127.0.0.1/": false,
	} {
		if got := allow("127.0.0.0/8").checkURL(url); got != valid {
			t.Errorf("with an allowed network, %q: %t", url, got)
		}
	}
}

// nameserver answers every query for an IPv4 address with the next of its addresses, and counts the answers.
type nameserver struct {
	answers atomic.Int32
	addrs   [][4]byte
}

func (n *nameserver) resolver(t *testing.T) *net.Resolver {
	conn, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		buffer := make([]byte, 1500)
		for {
			size, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buffer[:size]) != nil {
				continue
			}
			m.Response, m.Additionals = true, nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
				i := int(n.answers.Add(1)) - 1
				m.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
					Body:   &dnsmessage.AResource{A: n.addrs[min(i, len(n.addrs)-1)]},
				}}
			}
			if packed, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(packed, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// TestNamesOfForbiddenAddresses sends to names that resolve to addresses behind the server, among them one that is allowed when it
// is first resolved and not any more at the next attempt.
func TestNamesOfForbiddenAddresses(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }))
	defer receiver.Close()
	_, port, _ := net.SplitHostPort(receiver.Listener.Addr().String())
	for name, c := range map[string]struct {
		addrs [][4]byte
		want  []Failure
	}{
		"loopback":   {[][4]byte{{127, 0, 0, 1}}, []Failure{FailureAddress}},
		"metadata":   {[][4]byte{{169, 254, 169, 254}}, []Failure{FailureAddress}},
		"private":    {[][4]byte{{10, 0, 0, 1}}, []Failure{FailureAddress}},
		"rebinding":  {[][4]byte{{127, 0, 0, 2}, {127, 0, 0, 1}}, []Failure{FailureConnection, FailureAddress}},
		"one of two": {[][4]byte{{127, 0, 0, 1}, {127, 0, 0, 2}}, []Failure{FailureAddress, FailureConnection}},
	} {
		t.Run(name, func(t *testing.T) {
			dns := &nameserver{addrs: c.addrs}
			g := allow("127.0.0.2/32")
			g.resolver = dns.resolver(t)
			s := newSender(g, "test", time.Now)
			for i, want := range c.want {
				d := &Delivery{ID: "d", URL: "http://hooks.example.org.:" + port + "/", Body: []byte("{}")}
				if r := s.send(t.Context(), d, nil); r.failure != want || r.status != 0 {
					t.Errorf("attempt %d: %+v, want %s", i, r, want)
				}
			}
			if n := int(dns.answers.Load()); n < len(c.want) {
				t.Errorf("%d attempts resolved the name %d times", len(c.want), n)
			}
		})
	}
	if n := requests.Load(); n != 0 {
		t.Errorf("%d requests arrived", n)
	}
}
