package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/erasure"
)

type passwordChange struct {
	Current string `json:"currentPassword"`
	New     string `json:"newPassword"`
}

// changePassword is POST /api/auth/change-password. It invalidates every token; the caller gets a new one.
func (h *authHandler) changePassword(c *gin.Context, m *session.Member) error {
	var req passwordChange
	b, err := bind.Lenient(c, &req)
	if err != nil {
		return err
	}
	if req.Current == "" {
		b.Add("/currentPassword", "required")
	}
	b.AddMissing(account.CheckPassword("/newPassword", req.New)...)
	if err := b.Err(); err != nil {
		return err
	}
	var u *account.User
	err = h.withPassword(c, m, func(ctx context.Context) error {
		var err error
		u, err = h.accounts.ChangePassword(ctx, m.User, req.Current, req.New)
		return err
	})
	if err != nil {
		return err
	}
	h.recovery.SendNotice(u, account.NoticePassword, problem.Lang(c))
	return respondSignedIn(c, h.sessions, http.StatusOK, "changed", u)
}

// withPassword calls do, which checks the password of a signed-in member. Wrong passwords are rate limited: whoever finds
// an unlocked browser cannot try many.
func (h *authHandler) withPassword(c *gin.Context, m *session.Member, do func(context.Context) error) error {
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	err := attempt(h.limits.passwordChecks, m.User.Owner(), account.ErrCredentials, func() error { return do(ctx) })
	if errors.Is(err, account.ErrCredentials) {
		return problem.New(problem.CodeWrongPassword)
	}
	return err
}

// renameAccount is POST /api/auth/profile.
func (h *authHandler) renameAccount(c *gin.Context, m *session.Member) error {
	var req struct {
		Username string `json:"username"`
	}
	b, err := bind.Lenient(c, &req)
	if err != nil {
		return err
	}
	b.AddMissing(account.CheckUsername("/username", req.Username)...)
	if err := b.Err(); err != nil {
		return err
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	u, err := h.accounts.Rename(ctx, m.User, req.Username)
	if err != nil {
		return err
	}
	respondDone(c, http.StatusOK, "renamed", accountReply{User: newUserView(u)})
	return nil
}

// eraseTimeout bounds the deletion of an account, which takes several requests to NATS per job.
const eraseTimeout = 2 * time.Minute

// deleteAccount is POST /api/auth/delete-account. The request to delete is stored first, so that the deletion completes
// even if the caller disconnects or the process crashes.
func (h *authHandler) deleteAccount(c *gin.Context, m *session.Member) error {
	var req struct {
		Password string `json:"password"`
	}
	b, err := bind.Lenient(c, &req)
	if err != nil {
		return err
	}
	if req.Password == "" && m.User.HasPassword() {
		b.Add("/password", "required")
	}
	if err := b.Err(); err != nil {
		return err
	}
	err = h.withPassword(c, m, func(ctx context.Context) error { return h.accounts.Confirm(ctx, m.User, m.Session, req.Password) })
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request.Context()), eraseTimeout)
	defer cancel()
	err = h.eraser.Delete(ctx, m.User)
	if err != nil && !errors.Is(err, erasure.ErrUnfinished) {
		return err
	}
	h.sessions.SignOut(c)
	if err != nil {
		h.log.WarnContext(ctx, "account deleted; the rest is erased in the background", slog.Any("error", err))
		respondDone(c, http.StatusAccepted, "deleting", accountReply{})
		return nil
	}
	respondDone(c, http.StatusOK, "deleted", accountReply{})
	return nil
}
