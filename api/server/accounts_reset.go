package server

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/pkg/account"
)

// forgotPassword is POST /api/auth/forgot-password. Its answer, and how long that takes, is the same whether or not
// somebody has the address: everything else is done afterwards.
func (s *Server) forgotPassword(c *gin.Context) error {
	var ask struct {
		Email string `json:"email"`
	}
	b, err := s.decodeLenient(c, &ask)
	if err != nil {
		return err
	}
	if b.also(account.CheckEmail("/email", ask.Email)...); len(b.faults) > 0 {
		return invalid(b.faults...)
	}
	if wait := s.attempts.letters.add(guesser(c.ClientIP())); wait > 0 {
		return tooManyAttempts(wait)
	}
	if s.attempts.lettersTo.add(s.attempts.name(ask.Email)) == 0 {
		s.deps.Recovery.Ask(ask.Email, s.lang(c))
	}
	s.tell(c, http.StatusOK, "asked", nil, "")
	return nil
}

// resetPassword is POST /api/auth/reset-password. Nobody is signed in by it.
func (s *Server) resetPassword(c *gin.Context) error {
	var ask struct {
		Token string `json:"token"`
		New   string `json:"newPassword"`
	}
	b, err := s.decodeLenient(c, &ask)
	if err != nil {
		return err
	}
	if ask.Token == "" {
		b.also(required("/token"))
	}
	if b.also(account.CheckPassword("/newPassword", ask.New)...); len(b.faults) > 0 {
		return invalid(b.faults...)
	}
	address := guesser(c.ClientIP())
	if wait := s.attempts.resets.add(address); wait > 0 {
		return tooManyAttempts(wait)
	}
	ctx, cancel := bounded(c)
	defer cancel()
	u, err := s.deps.Accounts.Reset(ctx, ask.Token, ask.New)
	if !errors.Is(err, account.ErrReset) {
		s.attempts.resets.forgive(address)
	}
	if err != nil {
		return err
	}
	s.deps.Recovery.Changed(u, s.lang(c))
	s.tell(c, http.StatusOK, "reset", nil, "")
	return nil
}
