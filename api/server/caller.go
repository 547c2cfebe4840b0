package server

import (
	"net/http"
	"net/netip"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

// caller is who sends a request.
type caller struct {
	// owner is whom a new job belongs to; job.OwnerAnonymous when nothing tells callers apart.
	owner string
	// owners are those whose jobs the caller may read, in the order in which they are asked.
	owners []string
	lane   job.Lane
	// address tells one household from the next: all of IPv4, 64 bits of IPv6. Guests are counted by it.
	address string
	// member is who is signed in, nil for anybody else.
	member *signedIn
}

// named reports whether the caller can be told from others, so that "my jobs" means something.
func (c caller) named() bool { return c.owner != job.OwnerAnonymous }

// submitter returns the caller of a request as pkg/jobs knows it.
func (c caller) submitter(request *gin.Context) jobs.Caller {
	return jobs.Caller{Owner: c.owner, Lane: c.lane, Address: c.address, Gone: request.Request.Context().Done()}
}

// caller finds out who sends a request: a member, the guest of a browser, or somebody. A reader is looked up as all that
// he is, so that whoever signs in still finds what was begun before. It fails when a token is not good.
func (s *Server) caller(c *gin.Context) (caller, error) {
	who := caller{owner: job.OwnerAnonymous, lane: job.LaneGuest, address: household(c.ClientIP())}
	m, err := s.memberOf(c)
	if err != nil {
		return caller{}, err
	}
	if m != nil {
		who.owner, who.lane, who.member = m.user.Owner(), job.LaneMember, m
		who.owners = append(who.owners, who.owner)
	}
	if guest, ok := s.guestOf(c.Request); ok {
		if m == nil {
			who.owner = guest
		}
		who.owners = append(who.owners, guest)
	}
	who.owners = append(who.owners, job.OwnerAnonymous)
	return who, nil
}

// household cuts an address to what belongs to one household: all of IPv4, 64 bits of IPv6.
func household(address string) string {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return "unknown"
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is4() {
		return addr.String()
	}
	return network(address)
}

// network cuts an address to the prefix that a household or a phone keeps: 24 bits of IPv4, 64 of IPv6.
func network(address string) string {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return "unknown"
	}
	addr = addr.Unmap().WithZone("")
	bits := 64
	if addr.Is4() {
		bits = 24
	}
	prefix, err := addr.Prefix(bits)
	if err != nil {
		return "unknown"
	}
	return prefix.String()
}

// secure reports whether the request came to this installation over TLS.
func (s *Server) secure(c *gin.Context) bool {
	if c.Request.TLS != nil {
		return true
	}
	return c.GetHeader("X-Forwarded-Proto") == "https" && s.fromProxy(c)
}

// fromProxy reports whether the request was handed on by a proxy that is trusted.
func (s *Server) fromProxy(c *gin.Context) bool {
	addr, err := netip.ParseAddr(c.RemoteIP())
	if err != nil {
		return false
	}
	addr = addr.Unmap().WithZone("")
	for _, p := range s.proxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// guestOf returns the guest whose signed cookie a request holds.
func (s *Server) guestOf(r *http.Request) (string, bool) {
	guest, name := s.findGuest(r)
	return guest, name != ""
}

// findGuest returns the guest of a request and the name of the cookie that holds it, "" when there is none. The name that
// no other site can set goes first.
func (s *Server) findGuest(r *http.Request) (guest, name string) {
	for _, name := range []string{hostGuestCookie, guestCookie} {
		for _, cookie := range r.CookiesNamed(name) {
			if guest, ok := openGuest(s.keys.guestCookie, cookie.Value); ok {
				return guest, name
			}
		}
	}
	return "", ""
}
