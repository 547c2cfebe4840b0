package ratelimit

import "net/netip"

// unknown is the key of all clients whose address cannot be parsed.
const unknown = "unknown"

// ClientKey returns the key under which to count the requests of a client: an IPv4 address, or the /64 prefix of an IPv6
// address, within which a client can choose any address.
func ClientKey(address string) string {
	addr, err := netip.ParseAddr(address)
	if err == nil && addr.Unmap().Is4() {
		return addr.Unmap().String()
	}
	return Network(address)
}

// Network returns the part of an address that a client usually keeps over time: 24 bits of IPv4, 64 of IPv6.
func Network(address string) string {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return unknown
	}
	addr = addr.Unmap().WithZone("")
	bits := 64
	if addr.Is4() {
		bits = 24
	}
	prefix, err := addr.Prefix(bits)
	if err != nil {
		return unknown
	}
	return prefix.String()
}
