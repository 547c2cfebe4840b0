package server

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/pkg/account"
)

type registration struct {
	Username string `json:"username"`
	Email    string `json:"email"`
	Password string `json:"password"`
}

// register is POST /api/auth/register.
func (s *Server) register(c *gin.Context) error {
	var ask registration
	b, err := bind.Lenient(c, &ask)
	if err != nil {
		return err
	}
	b.AddMissing(account.CheckUsername("/username", ask.Username)...)
	b.AddMissing(account.CheckEmail("/email", ask.Email)...)
	b.AddMissing(account.CheckPassword("/password", ask.Password)...)
	if err := b.Err(); err != nil {
		return err
	}
	admit, giveBack := s.admitAccount(c)
	if err := admit(); err != nil {
		return err
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	create, act := s.deps.Accounts.Register, "registered"
	if s.deps.VerifyEmail {
		create, act = s.deps.Accounts.RegisterUnverified, "registered_unverified"
	}
	u, err := create(ctx, ask.Username, ask.Email, ask.Password)
	giveBack(err)
	if err != nil {
		return err
	}
	if !u.EmailVerified() {
		s.deps.Recovery.Verify(u, problem.Lang(c))
	}
	s.limits.addFamiliar(c.ClientIP(), ask.Email)
	token, err := s.sessions.SignIn(c, u)
	if err != nil {
		return err
	}
	respondDone(c, http.StatusCreated, act, accountReply{User: newUserView(u), Token: token})
	return nil
}

type credentials struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

// login is POST /api/auth/login. What is missing is as wrong as anything else.
func (s *Server) login(c *gin.Context) error {
	var ask credentials
	b, err := bind.Lenient(c, &ask)
	if err != nil {
		return err
	}
	if len(b.Faults) > 0 || ask.Email == "" || ask.Password == "" {
		return account.ErrCredentials
	}
	refund, wait := s.limits.takeLogin(c.ClientIP(), ask.Email)
	if wait > 0 {
		return problem.TooManyAttempts(wait)
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	u, err := s.deps.Accounts.Login(ctx, ask.Email, ask.Password)
	if !errors.Is(err, account.ErrCredentials) {
		refund()
	}
	if err != nil {
		return err
	}
	s.limits.addFamiliar(c.ClientIP(), ask.Email)
	token, err := s.sessions.SignIn(c, u)
	if err != nil {
		return err
	}
	respondDone(c, http.StatusOK, "signed_in", accountReply{User: newUserView(u), Token: token})
	return nil
}

// validate is GET /api/auth/validate: who is signed in. A token of the oldest format is replaced.
func (s *Server) validate(c *gin.Context) error {
	m, err := s.sessions.Require(c)
	if err != nil {
		return err
	}
	reply := accountReply{Success: true, User: newUserView(m.User)}
	if m.Session.Legacy {
		if reply.Token, err = s.deps.Accounts.Renew(m.User); err != nil {
			return err
		}
		s.sessions.SetToken(c, reply.Token)
	}
	respond.JSON(c, http.StatusOK, reply)
	return nil
}

// logout is POST /api/auth/logout: the token ends, or with everywhere all of the account. Whoever is not signed in is
// replyed the same.
func (s *Server) logout(c *gin.Context) error {
	var ask struct {
		Everywhere bool `json:"everywhere"`
	}
	b, err := bind.Optional(c, &ask)
	if err != nil {
		return err
	}
	if err := b.Err(); err != nil {
		return err
	}
	m, err := s.sessions.Member(c)
	if p, ok := errors.AsType[*problem.Problem](err); err != nil && (!ok || p.Code != problem.CodeToken) {
		return err
	}
	if m != nil {
		ctx, cancel := lifetime.Bounded(c.Request.Context())
		defer cancel()
		if err := s.deps.Accounts.SignOut(ctx, m.User, m.Session, ask.Everywhere); err != nil && !errors.Is(err, account.ErrUnknown) {
			return err
		}
	}
	c.Writer.Header().Del("Set-Cookie")
	c.Writer.Header().Del("WWW-Authenticate")
	s.sessions.SignOut(c)
	respondDone(c, http.StatusOK, "signed_out", accountReply{})
	return nil
}
