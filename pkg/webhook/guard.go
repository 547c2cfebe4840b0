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
	if !secure || !isPublicPort(port) || !isPublic(addr) {
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

// isPublic reports whether an address is reached over the public internet.
func isPublic(addr netip.Addr) bool {
	addr = addr.Unmap()
	if addr.Zone() != "" || !addr.IsGlobalUnicast() || addr.IsPrivate() {
		return false
	}
	if addr.Is4() {
		return !slices.ContainsFunc(reserved4, func(n netip.Prefix) bool { return n.Contains(addr) })
	}
	// What is assigned to the internet; all else is reserved, local or an embedded IPv4 address.
	return internet6.Contains(addr) && !slices.ContainsFunc(reserved6, func(n netip.Prefix) bool { return n.Contains(addr) })
}

// The reserved networks are those of the registries of special-purpose addresses at IANA that IsGlobalUnicast and IsPrivate do
// not cover. They are variables because Go has no constants of this type.
var (
	reserved4 = prefixes(
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24",
		"192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
	)
	internet6 = netip.MustParsePrefix("2000::/3")
	// Among them Teredo (in 2001::/23) and 6to4 (2002::/16), which embed IPv4 addresses. NAT64 (64:ff9b::/96 and 64:ff9b:1::/48) is
	// not in 2000::/3.
	reserved6 = prefixes("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)

func prefixes(list ...string) []netip.Prefix {
	networks := make([]netip.Prefix, len(list))
	for i, text := range list {
		networks[i] = netip.MustParsePrefix(text)
	}
	return networks
}
