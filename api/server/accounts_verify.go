package server

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/ratelimit"
	"github.com/text2image-audio/text2image-audio/pkg/account"
)

// verifyPage is GET /verify-email, where the link of an e-mail leads: the page, which confirms nothing before its reader
// says so. Programs that look at the links of e-mails use no token up.
func (s *Server) verifyPage(c *gin.Context) error { return s.resetPage(c) }

// verifyEmail is POST /api/auth/verify-email. Nobody is signed in by it.
func (s *Server) verifyEmail(c *gin.Context) error {
	var ask struct {
		Token string `json:"token"`
	}
	b, err := bind.Lenient(c, &ask)
	if err != nil {
		return err
	}
	if ask.Token == "" {
		b.AddMissing(bind.Required("/token"))
	}
	if err := b.Err(); err != nil {
		return err
	}
	address := ratelimit.ClientKey(c.ClientIP())
	if wait := s.limits.verificationTokens.Take(address); wait > 0 {
		return problem.TooManyAttempts(wait)
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	_, err = s.deps.Accounts.VerifyEmail(ctx, ask.Token)
	if !errors.Is(err, account.ErrVerification) {
		s.limits.verificationTokens.Refund(address)
	}
	if err != nil {
		return err
	}
	respondDone(c, http.StatusOK, "verified", accountReply{})
	return nil
}

// resendVerification is POST /api/auth/resend-verification: another link, which ends the one before.
func (s *Server) resendVerification(c *gin.Context) error {
	m, err := s.sessions.Require(c)
	if err != nil {
		return err
	}
	if m.User.EmailVerified() || !s.deps.VerifyEmail {
		respondDone(c, http.StatusOK, "verification_unneeded", accountReply{User: newUserView(m.User)})
		return nil
	}
	if wait := s.limits.emailsByAddress.Take(ratelimit.ClientKey(c.ClientIP())); wait > 0 {
		return problem.TooManyAttempts(wait)
	}
	if wait := s.limits.verificationEmails.Take(m.User.Owner()); wait > 0 {
		return problem.TooManyAttempts(wait)
	}
	s.deps.Recovery.Verify(m.User, problem.Lang(c))
	respondDone(c, http.StatusOK, "verification_sent", accountReply{User: newUserView(m.User)})
	return nil
}
