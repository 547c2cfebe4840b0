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

// owners undoes what was stored for accounts that were deleted meanwhile.
type owners struct {
	accounts *account.Accounts
	eraser   *erasure.Eraser
}

// mustStillExist takes back what was stored for an account that was deleted meanwhile, after everything of it was erased.
// It does so for a caller that has hung up, too. It costs one request.
func (o *owners) mustStillExist(ctx context.Context, m *session.Member, erase func(ctx context.Context, owner string) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lifetime.OperationTimeout)
	defer cancel()
	_, _, err := o.accounts.Identify(ctx, m.Token)
	if !errors.Is(err, account.ErrUnknown) {
		return nil
	}
	return errors.Join(account.ErrUnknown, erase(ctx, m.User.Owner()))
}

// submitterMustExist is mustStillExist for a submission of whoever sent a request, which may have made a job though err says
// otherwise. A guest always exists.
func (o *owners) submitterMustExist(c *gin.Context, err error) error {
	var refused *problem.Problem
	if err != nil && (errors.As(err, &refused) || jobs.NotSubmitted(err) || errors.Is(err, jobs.ErrNotFound)) {
		return nil
	}
	m := session.Known(c)
	if m == nil {
		return nil
	}
	return o.mustStillExist(c.Request.Context(), m, o.eraser.Erase)
}

// errOwnerDeleted says that the owner of a dead letter has deleted the account.
var errOwnerDeleted = errors.New("the owner of the dead letter is deleted")

// ownerMustExist takes back the job that an operator has made for an account that was deleted meanwhile. It fails with
// errOwnerDeleted then. When that cannot be found out the job stays, and the sweeper of deletions takes it back.
func (o *owners) ownerMustExist(ctx context.Context, spec *job.Spec) error {
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
