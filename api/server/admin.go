package server

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"math"
	"net/netip"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
)

// operatorOnly lets those pass who send ADMIN_KEY, as a Bearer token or in X-Admin-Key, and never in the address, which
// stands in logs. Without that setting nobody passes. Whoever guesses is held up, with a good key too: a guess that hits
// would otherwise be let through all the same.
func (s *Server) operatorOnly(c *gin.Context) { s.admitOperator(c, operatorKeys(c), 0) }

// admitOperator lets a request pass that holds the right key among those given; any other is refused with a status, the
// fault's own when 0.
func (s *Server) admitOperator(c *gin.Context, given []string, refused int) {
	c.Header("Cache-Control", "no-store")
	vary(c, "Accept-Language", "Authorization", "X-Admin-Key")
	want := s.cfg.AdminKey.Reveal()
	if want == "" {
		s.fail(c, &problem{code: codeAdminOff})
		return
	}
	address := c.ClientIP()
	if wait := s.guesses.wait(guesser(address)); wait > 0 {
		s.fail(c, tooManyGuesses(wait))
		return
	}
	for _, key := range given {
		if isKey(key, want) {
			return
		}
	}
	c.Header("WWW-Authenticate", `Bearer realm="operator"`)
	if len(given) > 0 {
		wait := s.guesses.add(guesser(address))
		s.acts.WarnContext(c.Request.Context(), "operator action",
			slog.String("act", c.Request.Method+" "+routeOf(c)), slog.String("outcome", "refused"), slog.String("address", address))
		if wait > 0 {
			s.fail(c, tooManyGuesses(wait))
			return
		}
	}
	s.fail(c, &problem{code: codeAdminKey, status: refused})
}

func tooManyGuesses(wait time.Duration) *problem {
	return &problem{code: codeTooManyGuesses, retryAfter: int(math.Ceil(wait.Seconds()))}
}

// operatorKeys returns the keys that a request holds.
func operatorKeys(c *gin.Context) []string {
	var keys []string
	if key := c.GetHeader("X-Admin-Key"); key != "" {
		keys = append(keys, key)
	}
	if scheme, token, found := strings.Cut(c.GetHeader("Authorization"), " "); found && strings.EqualFold(scheme, "Bearer") {
		keys = append(keys, strings.TrimSpace(token))
	}
	return keys
}

// isKey compares in a time that does not tell how much of a key was right.
func isKey(given, want string) bool {
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// guesser is whose guesses are counted together: an address, of IPv6 the part that stays with a network.
func guesser(address string) string {
	addr, err := netip.ParseAddr(address)
	if err == nil && addr.Unmap().Is4() {
		return addr.Unmap().String()
	}
	return network(address)
}

// audit logs what an operator did, one line for each act. ctx carries the ids of request and job.
func (s *Server) audit(ctx context.Context, c *gin.Context, act string, err error, attrs ...slog.Attr) {
	level, outcome := slog.LevelInfo, "done"
	if err != nil {
		level, outcome = slog.LevelWarn, "failed"
		attrs = append(attrs, slog.String("code", s.explain(ctx, err).code))
	}
	attrs = append([]slog.Attr{slog.String("act", act), slog.String("outcome", outcome), slog.String("address", c.ClientIP()), slog.String("key", s.adminKeyID())}, attrs...)
	s.acts.LogAttrs(ctx, level, "operator action", attrs...)
}
