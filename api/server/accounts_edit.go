package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/erasure"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

type passwordChange struct {
	Current string `json:"currentPassword"`
	New     string `json:"newPassword"`
}

// changePassword is POST /api/auth/change-password. Every token ends; the caller gets a new one.
func (s *Server) changePassword(c *gin.Context) error {
	m, err := s.mustMember(c)
	if err != nil {
		return err
	}
	var ask passwordChange
	b, err := s.decodeLenient(c, &ask)
	if err != nil {
		return err
	}
	if ask.Current == "" {
		b.add("/currentPassword", "required")
	}
	b.also(account.CheckPassword("/newPassword", ask.New)...)
	if len(b.faults) > 0 {
		return invalid(b.faults...)
	}
	var u *account.User
	err = s.guarded(c, m, func(ctx context.Context) error {
		var err error
		u, err = s.deps.Accounts.ChangePassword(ctx, m.user, ask.Current, ask.New)
		return err
	})
	if err != nil {
		return err
	}
	s.deps.Recovery.Changed(u, s.lang(c))
	token, err := s.signIn(c, u)
	if err != nil {
		return err
	}
	s.tell(c, http.StatusOK, "changed", u, token)
	return nil
}

// guarded does something for which a member gives the password once more: whoever has found an open browser shall not
// be able to try many.
func (s *Server) guarded(c *gin.Context, m *signedIn, do func(context.Context) error) error {
	who := m.user.Owner()
	if wait := s.attempts.confirmations.add(who); wait > 0 {
		return tooManyAttempts(wait)
	}
	ctx, cancel := bounded(c)
	defer cancel()
	err := do(ctx)
	if !errors.Is(err, account.ErrCredentials) {
		s.attempts.confirmations.forgive(who)
		return err
	}
	return &problem{code: codePassword}
}

// renameAccount is POST /api/auth/profile.
func (s *Server) renameAccount(c *gin.Context) error {
	m, err := s.mustMember(c)
	if err != nil {
		return err
	}
	var ask struct {
		Username string `json:"username"`
	}
	b, err := s.decodeLenient(c, &ask)
	if err != nil {
		return err
	}
	if b.also(account.CheckUsername("/username", ask.Username)...); len(b.faults) > 0 {
		return invalid(b.faults...)
	}
	ctx, cancel := bounded(c)
	defer cancel()
	u, err := s.deps.Accounts.Rename(ctx, m.user, ask.Username)
	if err != nil {
		return err
	}
	s.tell(c, http.StatusOK, "renamed", u, "")
	return nil
}

// eraseTimeout bounds the deletion of an account, which takes a handful of requests for each of its jobs.
const eraseTimeout = 2 * time.Minute

// deleteAccount is POST /api/auth/delete-account. The deletion is stored first and finished whatever happens then: a caller
// that hangs up, or this process when it dies, does not stop it half-way.
func (s *Server) deleteAccount(c *gin.Context) error {
	m, err := s.mustMember(c)
	if err != nil {
		return err
	}
	var ask struct {
		Password string `json:"password"`
	}
	b, err := s.decodeLenient(c, &ask)
	if err != nil {
		return err
	}
	if ask.Password == "" && m.user.HasPassword() {
		b.add("/password", "required")
	}
	if len(b.faults) > 0 {
		return invalid(b.faults...)
	}
	err = s.guarded(c, m, func(ctx context.Context) error { return s.deps.Accounts.Confirm(ctx, m.user, m.session, ask.Password) })
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request.Context()), eraseTimeout)
	defer cancel()
	err = s.deps.Eraser.Delete(ctx, m.user)
	if err != nil && !errors.Is(err, erasure.ErrUnfinished) {
		return err
	}
	s.forgetMember(c)
	if err != nil {
		s.deps.Log.WarnContext(ctx, "account deleted; the rest is erased in the background", slog.Any("error", err))
		s.tell(c, http.StatusAccepted, "deleting", nil, "")
		return nil
	}
	s.tell(c, http.StatusOK, "deleted", nil, "")
	return nil
}

// also adds faults that were found elsewhere, unless their field is known to be faulty already.
func (b *binder) also(faults ...job.FieldError) {
	for _, f := range faults {
		if len(b.faults) < maxFaults && !has(b.faults, f.Pointer) {
			b.faults = append(b.faults, f)
		}
	}
}
