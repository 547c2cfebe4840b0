// Package ipaddr tells which IP addresses are on the public internet. Whoever chooses a URL must not make this server send
// requests to hosts that only it can reach.
package ipaddr

import (
	"net/netip"
	"slices"
)

// Public reports whether an address is reached over the public internet.
func Public(addr netip.Addr) bool {
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
