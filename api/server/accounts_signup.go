package server

import (
	"context"
	"encoding/hex"
	"errors"
	"log/slog"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/keys"
	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/ratelimit"
	"github.com/text2image-audio/text2image-audio/pkg/account"
)

// admitAccount counts a new account of the caller's address, once for a request. All processes count together. giveBack
// takes it back after an error of ours; that an address has an account already counts, since it tells who has one.
func (s *Server) admitAccount(c *gin.Context) (admit func() error, giveBack func(error)) {
	counted := false
	from := hex.EncodeToString(keys.Sum(s.keys.Attempts, "sign-up", ratelimit.ClientKey(c.ClientIP()))[:16])
	admit = func() error {
		if counted || s.cfg.MaxSignups == 0 {
			return nil
		}
		ctx, cancel := lifetime.Bounded(c.Request.Context())
		defer cancel()
		wait, err := s.deps.Accounts.CountSignup(ctx, from, s.cfg.MaxSignups)
		if err != nil {
			return err
		}
		if wait > 0 {
			return problem.TooManyAttempts(wait)
		}
		counted = true
		return nil
	}
	giveBack = func(err error) {
		if err == nil || !counted || errors.Is(err, account.ErrTaken) {
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request.Context()), withdrawTimeout)
		defer cancel()
		if err := s.deps.Accounts.ForgetSignup(ctx, from); err != nil {
			s.deps.Log.WarnContext(ctx, "a failed sign-up still counts against the limit", slog.Any("error", err))
		}
	}
	return admit, giveBack
}
