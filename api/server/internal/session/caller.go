// Package session identifies callers: members by a token or an API key, guests by a signed cookie, and anonymous callers.
package session

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/ratelimit"
	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/apikey"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

// Sessions identifies callers, and signs members in and out.
type Sessions struct {
	accounts *account.Accounts
	keys     *apikey.Keys
	// guestKey signs the cookies of guests.
	guestKey []byte
	proxies  Proxies
	// verifyEmail requires members to verify their email address before they submit anything.
	verifyEmail bool
	// hasWorks reports whether a guest has jobs.
	hasWorks func(ctx context.Context, guest string) (bool, error)
	log      *slog.Logger
}

// Config configures Sessions.
type Config struct {
	Accounts *account.Accounts
	Keys     *apikey.Keys
	Jobs     *jobs.Service
	// GuestKey signs the cookies of guests.
	GuestKey []byte
	Proxies  Proxies
	// VerifyEmail has RequireVerified fail for members who have not verified their email address.
	VerifyEmail bool
	Log         *slog.Logger
}

// New returns Sessions.
func New(cfg Config) *Sessions {
	return &Sessions{
		accounts: cfg.Accounts, keys: cfg.Keys, guestKey: cfg.GuestKey, proxies: cfg.Proxies, verifyEmail: cfg.VerifyEmail, hasWorks: cfg.Jobs.Any, log: cfg.Log,
	}
}

// Caller is the sender of a request.
type Caller struct {
	// Owner is the owner of new jobs, or job.OwnerAnonymous if the caller has no identity.
	Owner string
	// Owners are the owners whose jobs the caller may read, in the order in which they are tried, the account of a member first.
	// Sessions.Find adds those that the account has adopted.
	Owners []string
	Lane   job.Lane
	// Address is the ratelimit.ClientKey of the caller, by which guests are counted.
	Address string
	// Member is the signed-in member, or nil.
	Member *Member
}

// Named reports whether the caller has an identity and can therefore list its jobs.
func (c Caller) Named() bool { return c.Owner != job.OwnerAnonymous }

// Submitter converts the caller of a request to a jobs.Caller.
func (c Caller) Submitter(request *gin.Context) jobs.Caller {
	ctx := request.Request.Context()
	return jobs.Caller{
		Owner: c.Owner, Lane: c.Lane, Address: c.Address, Key: c.submitterKey(), Budget: c.budget(),
		OnGone: func(f func()) (stop func() bool) { return context.AfterFunc(ctx, f) },
	}
}

// budget returns the budget that the account of a caller has set.
func (c Caller) budget() job.Budget {
	if c.Member == nil {
		return job.Budget{}
	}
	return c.Member.User.Budget
}

// Caller returns the sender of a request. A member may still read jobs that the same browser has submitted as a guest, and
// everyone may read jobs of anonymous callers. Caller fails if the request has an invalid token or API key.
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

// Secure reports whether the client sent a request over TLS.
func (s *Sessions) Secure(c *gin.Context) bool { return s.proxies.Secure(c) }

// Proxies are the addresses of trusted proxies.
type Proxies []netip.Prefix

// Secure reports whether the client sent a request over TLS.
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
	return slices.ContainsFunc(p, func(prefix netip.Prefix) bool { return prefix.Contains(addr) })
}
