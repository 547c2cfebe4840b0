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

// owners removes data that was stored for an account while the account was deleted.
type owners struct {
	accounts *account.Accounts
	sessions *session.Sessions
	eraser   *erasure.Eraser
}

// undoIfDeleted calls erase and fails with account.ErrUnknown if the account of a member was deleted during the request,
// even if the caller has disconnected. It costs one request to NATS.
func (o *owners) undoIfDeleted(ctx context.Context, m *session.Member, erase func(ctx context.Context, owner string) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lifetime.OperationTimeout)
	defer cancel()
	err := o.sessions.Exists(ctx, m)
	if !errors.Is(err, account.ErrUnknown) {
		return nil
	}
	gone := account.ErrUnknown
	if m.Key != nil {
		gone = problem.New(problem.CodeAPIKey)
	}
	return errors.Join(gone, erase(ctx, m.User.Owner()))
}

// undoSubmissionIfDeleted is undoIfDeleted for a submission, which may have created a job despite err. Guests have no
// account.
func (o *owners) undoSubmissionIfDeleted(c *gin.Context, err error) error {
	if err != nil && (jobs.NotSubmitted(err) || errors.Is(err, jobs.ErrNotFound)) {
		return nil
	}
	m := session.FoundMember(c)
	if m == nil {
		return nil
	}
	return o.undoIfDeleted(c.Request.Context(), m, o.eraser.Erase)
}

// errOwnerDeleted is returned when the owner of a dead letter has deleted the account.
var errOwnerDeleted = errors.New("owner of the dead letter is deleted")

// undoReplayIfDeleted removes a replayed job and fails with errOwnerDeleted if the account of its owner was deleted in the
// meantime. If that cannot be determined, the job remains until the sweeper of deletions removes it.
func (o *owners) undoReplayIfDeleted(ctx context.Context, spec *job.Spec) error {
	if spec.Owner == job.OwnerAnonymous {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lifetime.OperationTimeout)
	defer cancel()
	owner, err := spec.Owner, error(nil)
	if spec.Lane == job.LaneGuest {
		if owner, err = o.accounts.Adopter(ctx, spec.Owner); err != nil || owner == "" {
			return nil
		}
	}
	pending, err := o.eraser.Pending(ctx, owner)
	if err != nil || !pending {
		return nil
	}
	return errors.Join(errOwnerDeleted, o.eraser.Erase(ctx, owner))
}
