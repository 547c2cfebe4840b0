package server

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/ratelimit"
	"github.com/text2image-audio/text2image-audio/pkg/account"
)

// forgotPassword is POST /api/auth/forgot-password. The response and its duration are the same whether or not the address
// has an account, since the email is sent in the background.
func (h *authHandler) forgotPassword(c *gin.Context) error {
	var req struct {
		Email string `json:"email"`
	}
	b, err := bind.Lenient(c, &req)
	if err != nil {
		return err
	}
	b.AddMissing(account.CheckEmail("/email", req.Email)...)
	if err := b.Err(); err != nil {
		return err
	}
	if err := take(h.limits.emailsByAddress, ratelimit.ClientKey(c.ClientIP())); err != nil {
		return err
	}
	if h.limits.emailsTo.Take(h.limits.accountKey(req.Email)) == 0 {
		h.recovery.SendReset(req.Email, problem.Lang(c))
	}
	respondDone(c, http.StatusOK, "reset_requested", accountReply{})
	return nil
}

// resetPassword is POST /api/auth/reset-password. It does not sign the caller in.
func (h *authHandler) resetPassword(c *gin.Context) error {
	var req struct {
		Token string `json:"token"`
		New   string `json:"newPassword"`
	}
	b, err := bind.Lenient(c, &req)
	if err != nil {
		return err
	}
	if req.Token == "" {
		b.AddMissing(bind.Required("/token"))
	}
	b.AddMissing(account.CheckPassword("/newPassword", req.New)...)
	if err := b.Err(); err != nil {
		return err
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	var u *account.User
	err = attempt(h.limits.resetTokens, ratelimit.ClientKey(c.ClientIP()), account.ErrReset, func() (err error) {
		u, err = h.accounts.Reset(ctx, req.Token, req.New)
		return err
	})
	if err != nil {
		return err
	}
	h.recovery.SendNotice(u, account.NoticePassword, problem.Lang(c))
	respondDone(c, http.StatusOK, "reset", accountReply{})
	return nil
}
