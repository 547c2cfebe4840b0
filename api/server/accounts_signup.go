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

// signupLimit bounds the accounts that one client may create within an hour, across all processes.
type signupLimit struct {
	accounts *account.Accounts
	// max is the limit, 0 for none.
	max int
	key []byte
	log *slog.Logger
}

// admit returns two functions: take counts a new account of the caller, once per request, and fails when there are too many;
// refund undoes that after an error, except account.ErrTaken, which reveals that an account exists.
func (l *signupLimit) admit(c *gin.Context) (take func() error, refund func(error)) {
	counted := false
	client := hex.EncodeToString(keys.Sum(l.key, "sign-up", ratelimit.ClientKey(c.ClientIP()))[:16])
	take = func() error {
		if counted || l.max == 0 {
			return nil
		}
		ctx, cancel := lifetime.Bounded(c.Request.Context())
		defer cancel()
		wait, err := l.accounts.CountSignup(ctx, client, l.max)
		if err != nil {
			return err
		}
		if wait > 0 {
			return problem.TooManyAttempts(wait)
		}
		counted = true
		return nil
	}
	refund = func(err error) {
		if err == nil || !counted || errors.Is(err, account.ErrTaken) {
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request.Context()), cleanupTimeout)
		defer cancel()
		if err := l.accounts.ForgetSignup(ctx, client); err != nil {
			l.log.WarnContext(ctx, "a failed sign-up still counts against the limit", slog.Any("error", err))
		}
	}
	return take, refund
}
