package server

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/pkg/account"
)

// mayCreate refuses members who have yet to confirm their address, where that is asked for.
func (s *Server) mayCreate(m *signedIn) error {
	if s.deps.VerifyEmail && m != nil && !m.user.EmailVerified() {
		return &problem{code: codeEmailUnverified}
	}
	return nil
}

// verifyPage is GET /verify-email, where the link of an e-mail leads: the page, which confirms nothing before its reader
// says so. Programs that look at the links of e-mails use no token up.
func (s *Server) verifyPage(c *gin.Context) error { return s.resetPage(c) }

// verifyEmail is POST /api/auth/verify-email. Nobody is signed in by it.
func (s *Server) verifyEmail(c *gin.Context) error {
	var ask struct {
		Token string `json:"token"`
	}
	b, err := s.decodeLenient(c, &ask)
	if err != nil {
		return err
	}
	if ask.Token == "" {
		b.also(required("/token"))
	}
	if len(b.faults) > 0 {
		return invalid(b.faults...)
	}
	address := guesser(c.ClientIP())
	if wait := s.attempts.verified.add(address); wait > 0 {
		return tooManyAttempts(wait)
	}
	ctx, cancel := bounded(c)
	defer cancel()
	_, err = s.deps.Accounts.VerifyEmail(ctx, ask.Token)
	if !errors.Is(err, account.ErrVerification) {
		s.attempts.verified.forgive(address)
	}
	if err != nil {
		return err
	}
	s.tell(c, http.StatusOK, "verified", nil, "")
	return nil
}

// resendVerification is POST /api/auth/resend-verification: another link, which ends the one before.
func (s *Server) resendVerification(c *gin.Context) error {
	m, err := s.mustMember(c)
	if err != nil {
		return err
	}
	if m.user.EmailVerified() || !s.deps.VerifyEmail {
		s.tell(c, http.StatusOK, "verify_unneed", m.user, "")
		return nil
	}
	if wait := s.attempts.letters.add(guesser(c.ClientIP())); wait > 0 {
		return tooManyAttempts(wait)
	}
	if wait := s.attempts.verifications.add(m.user.Owner()); wait > 0 {
		return tooManyAttempts(wait)
	}
	s.deps.Recovery.Verify(m.user, s.lang(c))
	s.tell(c, http.StatusOK, "verify_sent", m.user, "")
	return nil
}
