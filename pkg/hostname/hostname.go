// Package hostname checks the Host header of requests against a list of allowed hosts. It protects against DNS rebinding: a
// web page can point its own host name at an address of the visitor's machine or network, and the browser then lets the page
// read the responses of a server there. The Host header still contains the host name of the page.
package hostname

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// List is a list of allowed hosts. The zero value is empty.
type List struct {
	all, loopback bool
	entries       []entry
}

// entry is one host; an empty port allows any port.
type entry struct{ name, port string }

// All returns the list of all hosts.
func All() List { return List{all: true} }

// Loopback returns the list of localhost, 127.0.0.0/8 and [::1], with any port.
func Loopback() List { return List{loopback: true} }

// errEntry does not contain the value, because a secret may have been set under the wrong name.
var errEntry = errors.New("not a host name or address, with a port or without")

// Parse returns the list of the given hosts, each a name or an address with an optional port. A host without a port allows
// any port, and * allows all hosts. It fails for an invalid entry, such as one with a scheme.
func Parse(hosts []string) (List, error) {
	var l List
	for _, host := range hosts {
		if host == "*" {
			l.all = true
			continue
		}
		e, ok := parseEntry(host)
		if !ok {
			return List{}, errEntry
		}
		l.entries = append(l.entries, e)
	}
	return l, nil
}

func parseEntry(host string) (entry, bool) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return entry{name: canonical(addr)}, true
	}
	name, port, ok := split(host)
	if !ok || strings.HasSuffix(host, ":") {
		return entry{}, false
	}
	if port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return entry{}, false
		}
	}
	if _, err := netip.ParseAddr(name); err != nil && !isName(name) {
		return entry{}, false
	}
	return entry{name, port}, true
}

// isName reports whether a name is a valid DNS name in the form that browsers send.
func isName(name string) bool {
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || strings.HasPrefix(label, "-") {
			return false
		}
		for _, r := range label {
			if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789-_", r) {
				return false
			}
		}
	}
	return true
}

// With returns the union of two lists.
func (l List) With(other List) List {
	return List{
		all: l.all || other.all, loopback: l.loopback || other.loopback,
		entries: append(l.entries[:len(l.entries):len(l.entries)], other.entries...),
	}
}

// Allows reports whether a value of the Host header is in the list.
func (l List) Allows(host string) bool {
	if l.all {
		return true
	}
	name, port, ok := split(host)
	if !ok {
		return false
	}
	if l.loopback && IsLoopback(name) {
		return true
	}
	for _, e := range l.entries {
		// Browsers omit the default port of the scheme.
		if e.name == name && (e.port == "" || e.port == port || (port == "" && (e.port == "80" || e.port == "443"))) {
			return true
		}
	}
	return false
}

// IsLoopback reports whether a host without a port is localhost or a loopback address.
func IsLoopback(host string) bool {
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	addr, err := netip.ParseAddr(host)
	return normal(host) == "localhost" || (err == nil && addr.Unmap().IsLoopback())
}

// IsLoopbackAddress reports whether a server that listens on an address, a host and a port, can be reached only from this
// machine.
func IsLoopbackAddress(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && IsLoopback(host)
}

// split returns the normal form of a host and its port, which is empty when there is none.
func split(host string) (name, port string, ok bool) {
	switch {
	case strings.HasPrefix(host, "["):
		inner, rest, closed := strings.Cut(host[1:], "]")
		addr, err := netip.ParseAddr(inner)
		if !closed || err != nil || (rest != "" && rest[0] != ':') {
			return "", "", false
		}
		name, port = canonical(addr), strings.TrimPrefix(rest, ":")
	default:
		name, port, _ = strings.Cut(host, ":")
		name = normal(name)
	}
	return name, port, name != "" && isDigits(port)
}

func isDigits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// normal returns a name in lower case, without a trailing dot.
func normal(name string) string { return strings.TrimSuffix(strings.ToLower(name), ".") }

func canonical(addr netip.Addr) string { return addr.Unmap().WithZone("").String() }
