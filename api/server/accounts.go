package server

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/erasure"
)

// authHandler serves the account routes except those of Google.
type authHandler struct {
	accounts *account.Accounts
	recovery *account.Mailer
	eraser   *erasure.Eraser
	sessions *session.Sessions
	limits   *accountLimits
	signups  *signupLimit
	// verifyEmail requires new accounts with a password to verify their email address.
	verifyEmail bool
	log         *slog.Logger
}

type registration struct {
	Username string `json:"username"`
	Email    string `json:"email"`
	Password string `json:"password"`
}

// register is POST /api/auth/register.
func (h *authHandler) register(c *gin.Context) error {
	var req registration
	b, err := bind.Lenient(c, &req)
	if err != nil {
		return err
	}
	b.AddMissing(account.CheckUsername("/username", req.Username)...)
	b.AddMissing(account.CheckEmail("/email", req.Email)...)
	b.AddMissing(account.CheckPassword("/password", req.Password)...)
	if err := b.Err(); err != nil {
		return err
	}
	admit, refundSignup := h.signups.admit(c)
	if err := admit(); err != nil {
		return err
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	create, message := h.accounts.Register, "registered"
	if h.verifyEmail {
		create, message = h.accounts.RegisterUnverified, "registered_unverified"
	}
	u, err := create(ctx, req.Username, req.Email, req.Password)
	refundSignup(err)
	if err != nil {
		return err
	}
	if !u.EmailVerified() {
		h.recovery.SendVerification(u, problem.Lang(c))
	}
	h.limits.addFamiliar(c.ClientIP(), req.Email)
	return respondSignedIn(c, h.sessions, http.StatusCreated, message, u)
}

type credentials struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

// login is POST /api/auth/login. A missing field returns the same error as a wrong one.
func (h *authHandler) login(c *gin.Context) error {
	var req credentials
	b, err := bind.Lenient(c, &req)
	if err != nil {
		return err
	}
	if len(b.Faults) > 0 || req.Email == "" || req.Password == "" {
		return account.ErrCredentials
	}
	refund, wait := h.limits.takeLogin(c.ClientIP(), req.Email)
	if wait > 0 {
		return problem.TooManyAttempts(wait)
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	u, err := h.accounts.Login(ctx, req.Email, req.Password)
	if !errors.Is(err, account.ErrCredentials) {
		refund()
	}
	if err != nil {
		return err
	}
	h.limits.addFamiliar(c.ClientIP(), req.Email)
	return respondSignedIn(c, h.sessions, http.StatusOK, "signed_in", u)
}

// validate is GET /api/auth/validate. It returns the signed-in account, and a new token if that of the request has the
// oldest format.
func (h *authHandler) validate(c *gin.Context, m *session.Member) error {
	reply := accountReply{Success: true, User: newUserView(m.User)}
	if m.Session.Legacy {
		token, err := h.accounts.Renew(m.User)
		if err != nil {
			return err
		}
		reply.Token = token
		h.sessions.SetToken(c, reply.Token)
	}
	respond.JSON(c, http.StatusOK, reply)
	return nil
}

// logout is POST /api/auth/logout. It invalidates the token or, with everywhere, all tokens of the account. The response is
// the same for callers that are not signed in.
func (h *authHandler) logout(c *gin.Context) error {
	var req struct {
		Everywhere bool `json:"everywhere"`
	}
	b, err := bind.Optional(c, &req)
	if err != nil {
		return err
	}
	if err := b.Err(); err != nil {
		return err
	}
	m, err := h.sessions.Member(c)
	if p, ok := errors.AsType[*problem.Problem](err); err != nil && (!ok || p.Code != problem.CodeToken) {
		return err
	}
	if m != nil {
		ctx, cancel := lifetime.Bounded(c.Request.Context())
		defer cancel()
		if err := h.accounts.SignOut(ctx, m.User, m.Session, req.Everywhere); err != nil && !errors.Is(err, account.ErrUnknown) {
			return err
		}
	}
	c.Writer.Header().Del("Set-Cookie")
	c.Writer.Header().Del("WWW-Authenticate")
	h.sessions.SignOut(c)
	respondDone(c, http.StatusOK, "signed_out", accountReply{})
	return nil
}
