// Package session knows who sends a request: a member by a token, a guest by a signed cookie, or anybody else.
package session

import (
	"net/netip"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/ratelimit"
	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

// Sessions finds out who sends a request, and signs members in and out.
type Sessions struct {
	accounts *account.Accounts
	// guestKey signs the cookies of guests.
	guestKey []byte
	proxies  Proxies
	// verifyEmail requires members to verify their email address before they submit anything.
	verifyEmail bool
}

// New returns the sessions of an installation. guestKey signs the cookies of guests; with verifyEmail members have to verify
// their email address before RequireVerified lets them pass.
func New(accounts *account.Accounts, guestKey []byte, proxies Proxies, verifyEmail bool) *Sessions {
	return &Sessions{accounts: accounts, guestKey: guestKey, proxies: proxies, verifyEmail: verifyEmail}
}

// Caller is who sends a request.
type Caller struct {
	// Owner is the owner of new jobs; job.OwnerAnonymous when the caller cannot be told from others.
	Owner string
	// Owners are those whose jobs the caller may read, in the order in which they are tried.
	Owners []string
	Lane   job.Lane
	// Address is the ratelimit.ClientKey of the caller's address. Guests are counted by it.
	Address string
	// Member is who is signed in, nil for anybody else.
	Member *Member
}

// Named reports whether the caller can be told from others, so that "my jobs" means something.
func (c Caller) Named() bool { return c.Owner != job.OwnerAnonymous }

// Submitter returns the caller of a request as pkg/jobs knows it.
func (c Caller) Submitter(request *gin.Context) jobs.Caller {
	return jobs.Caller{Owner: c.Owner, Lane: c.Lane, Address: c.Address, Gone: request.Request.Context().Done()}
}

// Caller returns who sends a request. A member may still read what the same browser has submitted as a guest, and
// everybody may read what anonymous callers have. It fails when the request holds an invalid token.
func (s *Sessions) Caller(c *gin.Context) (Caller, error) {
	caller := Caller{Owner: job.OwnerAnonymous, Lane: job.LaneGuest, Address: ratelimit.ClientKey(c.ClientIP())}
	m, err := s.Member(c)
	if err != nil {
		return Caller{}, err
	}
	if m != nil {
		caller.Owner, caller.Lane, caller.Member = m.User.Owner(), job.LaneMember, m
		caller.Owners = append(caller.Owners, caller.Owner)
	}
	if guest, cookie := s.findGuest(c.Request); cookie != "" {
		if m == nil {
			caller.Owner = guest
		}
		caller.Owners = append(caller.Owners, guest)
	}
	caller.Owners = append(caller.Owners, job.OwnerAnonymous)
	return caller, nil
}

// Proxies are the addresses of trusted proxies.
type Proxies []netip.Prefix

// Secure reports whether a request came to this installation over TLS.
func (p Proxies) Secure(c *gin.Context) bool {
	return c.Request.TLS != nil || (c.GetHeader("X-Forwarded-Proto") == "https" && p.forwarded(c))
}

// forwarded reports whether a request was forwarded by a trusted proxy.
func (p Proxies) forwarded(c *gin.Context) bool {
	addr, err := netip.ParseAddr(c.RemoteIP())
	if err != nil {
		return false
	}
	addr = addr.Unmap().WithZone("")
	for _, prefix := range p {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}
