package session

import (
	"context"
	"errors"
	"log/slog"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

// adopt gives the works of the guest of a request to the account that signs in, and makes the browser a new guest, so that the
// works of a guest belong to one account. If it fails, the browser stays the guest, who keeps the works until the next sign-in:
// it is not worth refusing a sign-in. Without works it only costs two requests to NATS, and changes nothing.
func (s *Sessions) adopt(c *gin.Context, u *account.User) {
	guest, cookie := s.findGuest(c.Request)
	if cookie == "" {
		return
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	has, err := s.hasWorks(ctx, guest)
	if err == nil && !has {
		return
	}
	if err == nil {
		err = s.accounts.Adopt(ctx, u, guest)
	}
	switch {
	case err == nil, errors.Is(err, account.ErrAdopted):
		s.replaceGuest(c)
	default:
		s.log.WarnContext(ctx, "cannot adopt the works of a guest; they stay with the browser until its next sign-in", slog.Any("error", err))
	}
}

// Works returns the owners whose jobs are in the lists of a caller: its own, and the guests that its account has adopted. It costs
// one request to NATS for a member.
func (s *Sessions) Works(ctx context.Context, caller Caller) ([]string, error) {
	owners := []string{caller.Owner}
	if caller.Member == nil {
		return owners, nil
	}
	guests, err := s.accounts.Adopted(ctx, caller.Owner)
	return append(owners, guests...), err
}

// Find calls find with the owners whose job it may find, which are those of caller.Owners and the guests that the caller's
// account has adopted. It first calls it with the account alone, so that its own jobs cost no further request, and again with the
// others if it fails with jobs.ErrNotFound.
func (s *Sessions) Find(ctx context.Context, caller Caller, find func(owners []string) error) error {
	if caller.Member == nil {
		return find(caller.Owners)
	}
	err := find(caller.Owners[:1])
	if !errors.Is(err, jobs.ErrNotFound) {
		return err
	}
	bounded, cancel := lifetime.Bounded(ctx)
	guests, err := s.accounts.Adopted(bounded, caller.Owner)
	cancel()
	if err != nil {
		return err
	}
	return find(append(guests, caller.Owners[1:]...))
}
