package server

import (
	"context"
	"errors"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/erasure"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

// owners undoes what was stored for accounts that were deleted in the meantime.
type owners struct {
	accounts *account.Accounts
	eraser   *erasure.Eraser
}

// undoIfDeleted removes what was stored for a member whose account was deleted in the meantime, and fails then. It does
// so even if the caller has disconnected. It costs one request to NATS.
func (o *owners) undoIfDeleted(ctx context.Context, m *session.Member, erase func(ctx context.Context, owner string) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lifetime.OperationTimeout)
	defer cancel()
	_, _, err := o.accounts.Identify(ctx, m.Token)
	if !errors.Is(err, account.ErrUnknown) {
		return nil
	}
	return errors.Join(account.ErrUnknown, erase(ctx, m.User.Owner()))
}

// undoSubmissionIfDeleted is undoIfDeleted for a submission, which may have created a job in spite of err. Guests cannot
// be deleted.
func (o *owners) undoSubmissionIfDeleted(c *gin.Context, err error) error {
	var refused *problem.Problem
	if err != nil && (errors.As(err, &refused) || jobs.NotSubmitted(err) || errors.Is(err, jobs.ErrNotFound)) {
		return nil
	}
	m := session.FoundMember(c)
	if m == nil {
		return nil
	}
	return o.undoIfDeleted(c.Request.Context(), m, o.eraser.Erase)
}

// errOwnerDeleted says that the owner of a dead letter has deleted the account.
var errOwnerDeleted = errors.New("the owner of the dead letter is deleted")

// undoReplayIfDeleted removes the job that an operator has submitted for an account that was deleted in the meantime,
// and then fails with errOwnerDeleted. If that cannot be determined the job stays, and the sweeper of deletions removes
// it.
func (o *owners) undoReplayIfDeleted(ctx context.Context, spec *job.Spec) error {
	if spec.Lane != job.LaneMember {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lifetime.OperationTimeout)
	defer cancel()
	pending, err := o.eraser.Pending(ctx, spec.Owner)
	if err != nil || !pending {
		return nil
	}
	return errors.Join(errOwnerDeleted, o.eraser.Erase(ctx, spec.Owner))
}
