package server

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/ratelimit"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
	"github.com/text2image-audio/text2image-audio/pkg/account"
)

// verifyEmailToken is POST /api/auth/verify-email. It does not sign the caller in.
func (h *authHandler) verifyEmailToken(c *gin.Context) error {
	var req struct {
		Token string `json:"token"`
	}
	b, err := bind.Lenient(c, &req)
	if err != nil {
		return err
	}
	if req.Token == "" {
		b.AddMissing(bind.Required("/token"))
	}
	if err := b.Err(); err != nil {
		return err
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	err = attempt(h.limits.verificationTokens, ratelimit.ClientKey(c.ClientIP()), account.ErrVerification, func() error {
		_, err := h.accounts.VerifyEmail(ctx, req.Token)
		return err
	})
	if err != nil {
		return err
	}
	respondDone(c, http.StatusOK, "verified", accountReply{})
	return nil
}

// resendVerification is POST /api/auth/resend-verification. It sends a new link, which invalidates earlier ones.
func (h *authHandler) resendVerification(c *gin.Context, m *session.Member) error {
	if m.User.EmailVerified() || !h.verifyEmail {
		respondDone(c, http.StatusOK, "verification_unneeded", accountReply{User: newUserView(m.User)})
		return nil
	}
	if err := take(h.limits.emailsByAddress, ratelimit.ClientKey(c.ClientIP())); err != nil {
		return err
	}
	if err := take(h.limits.verificationEmails, m.User.Owner()); err != nil {
		return err
	}
	h.recovery.SendVerification(m.User, problem.Lang(c))
	respondDone(c, http.StatusOK, "verification_sent", accountReply{User: newUserView(m.User)})
	return nil
}
