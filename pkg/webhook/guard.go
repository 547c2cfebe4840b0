package webhook

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/text2image-audio/text2image-audio/pkg/ipaddr"
)

const (
	// MaxURL is the longest URL of a webhook, in bytes.
	MaxURL = 2048
	// dialTimeout bounds the connection to one address, so that a host with several can be reached by another.
	dialTimeout = 10 * time.Second
)

// errAddress is returned for an address to which no webhook may be sent.
var errAddress = errors.New("the address is not allowed for webhooks")

// guard decides where webhooks may be sent. Whoever chooses a URL must not make this server send requests to hosts that only it
// can reach, so the address is checked that a connection is made to: a name may have another address by then.
type guard struct {
	allowed []netip.Prefix
	// resolver replaces that of the system in tests.
	resolver *net.Resolver
}

// checkURL reports whether events can be sent to a URL, as far as that shows without resolving its host.
func (g *guard) checkURL(raw string) bool {
	bad := func(r rune) bool { return r == '\\' || unicode.IsSpace(r) || unicode.IsControl(r) }
	u, err := url.Parse(raw)
	if err != nil || len(raw) > MaxURL || strings.ContainsFunc(raw, bad) || u.Hostname() == "" || u.User != nil || strings.Contains(raw, "#") {
		return false
	}
	secure := u.Scheme == "https"
	if !secure && u.Scheme != "http" {
		return false
	}
	port, ok := portOf(u)
	if !ok {
		return false
	}
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil {
		return g.check(addr, port, secure) == nil
	}
	// Whether a name is in an allowed network shows only when it is resolved.
	return len(g.allowed) > 0 || (secure && isPublicPort(port))
}

// portOf returns the port of a URL, or that of its scheme.
func portOf(u *url.URL) (uint16, bool) {
	text := u.Port()
	if text == "" {
		if strings.HasSuffix(u.Host, ":") {
			return 0, false
		}
		if u.Scheme == "https" {
			return 443, true
		}
		return 80, true
	}
	port, err := strconv.ParseUint(text, 10, 16)
	return uint16(port), err == nil && port > 0
}

func isPublicPort(port uint16) bool { return port == 443 || port == 8443 }

// check returns errAddress for an address that no connection may be made to; secure reports whether it is to use TLS.
func (g *guard) check(addr netip.Addr, port uint16, secure bool) error {
	if addr.Zone() == "" && slices.ContainsFunc(g.allowed, func(n netip.Prefix) bool { return n.Contains(addr.Unmap()) }) {
		return nil
	}
	if !secure || !isPublicPort(port) || !ipaddr.Public(addr) {
		return errAddress
	}
	return nil
}

// dialer returns the function with which a transport connects. It checks every address right before the connection is made.
func (g *guard) dialer(secure bool) func(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{
		Timeout: dialTimeout, Resolver: g.resolver,
		Control: func(_, address string, _ syscall.RawConn) error {
			addrPort, err := netip.ParseAddrPort(address)
			if err != nil {
				return fmt.Errorf("%w: %w", errAddress, err)
			}
			return g.check(addrPort.Addr(), addrPort.Port(), secure)
		},
	}
	return d.DialContext
}
