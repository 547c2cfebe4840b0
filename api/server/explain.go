package server

import (
	"context"
	"errors"
	"time"

	"github.com/text2image-audio/text2image-audio/api/feed"
	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/feedback"
	"github.com/text2image-audio/text2image-audio/pkg/gallery"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// checkTimeout bounds the question whether NATS is there.
const checkTimeout = 2 * time.Second

// explain gives an error its code. What nobody has named is an internal error, of which the caller learns nothing else,
// unless NATS is away: then it is that.
func (s *Server) explain(ctx context.Context, err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	if p := s.submissionProblem(err); p != nil {
		return p
	}
	for _, known := range known {
		if errors.Is(err, known.err) {
			return &problem{code: known.code, retryAfter: known.retryAfter, cause: err}
		}
	}
	if s.deps.Broker == nil {
		return &problem{code: codeUnavailable, reason: "starting", retryAfter: retryUnavailable, cause: err}
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if broker.Unavailable(err) || s.deps.Broker.Check(ctx) != nil {
		return &problem{code: codeUnavailable, retryAfter: retryUnavailable, cause: err}
	}
	return &problem{code: codeInternal, cause: err}
}

const (
	retryFull        = 30
	retryActive      = 5
	retryUnavailable = 5
	retryThrottled   = 30
	// retryStillRunning is when to look for a job that took longer than its caller could be kept waiting.
	retryStillRunning = 5
)

// known is the table from the errors of the packages below to codes.
var known = []struct {
	err        error
	code       string
	retryAfter int
}{
	// First, since what could not be done because of it has other names too.
	{broker.ErrDiskFull, codeStoreFull, retryFull},
	{broker.ErrDiskFailed, codeUnavailable, retryUnavailable},
	{jobs.ErrNotFound, codeNotFound, 0},
	{store.ErrNotFound, codeNotFound, 0},
	{queue.ErrNotFound, codeNotFound, 0},
	{jobs.ErrFinished, codeFinished, 0},
	{jobs.ErrNotFinished, codeNotFinished, 0},
	{jobs.ErrNotRetryable, codeNotRetryable, 0},
	{jobs.ErrKeyReused, codeKeyReused, 0},
	{queue.ErrFull, codeQueueFull, retryFull},
	{queue.ErrNoRoom, codeStoreFull, retryFull},
	{store.ErrFull, codeStoreFull, retryFull},
	{account.ErrCredentials, codeWrongLogin, 0},
	{account.ErrDisabled, codeDisabled, 0},
	{account.ErrTaken, codeEmailTaken, 0},
	{account.ErrReset, codeReset, 0},
	{account.ErrVerification, codeVerification, 0},
	{account.ErrStale, codeStale, 0},
	{account.ErrSpent, codeGoogleState, 0},
	{account.ErrUnverified, codeGoogleEmail, 0},
	{account.ErrLinkRequired, codeLinkRequired, 0},
	{account.ErrOtherGoogle, codeGoogleOther, 0},
	{account.ErrLinked, codeGoogleLinked, 0},
	{account.ErrNoPassword, codeNoPassword, 0},
	// The account was deleted while the request was under way.
	{account.ErrUnknown, codeToken, 0},
	{account.ErrBusy, codeUnavailable, retryUnavailable},
	{account.ErrFull, codeStoreFull, retryFull},
	{feedback.ErrFull, codeStoreFull, retryFull},
	{gallery.ErrNotFound, codeImageNotFound, 0},
	{gallery.ErrFull, codeStoreFull, retryFull},
	{store.ErrUndecided, codeUnavailable, retryUnavailable},
	{queue.ErrUnavailable, codeUnavailable, retryUnavailable},
	{quota.ErrUnavailable, codeUnavailable, retryUnavailable},
	{ErrStopping, codeUnavailable, retryUnavailable},
	{context.DeadlineExceeded, codeUnavailable, retryUnavailable},
	// A newer program wrote it; one of those, or this one after its upgrade, can read it.
	{job.ErrNewer, codeUnavailable, retryUnavailable},
	// A caller that is gone is dealt with before; this is the server about to stop.
	{context.Canceled, codeUnavailable, retryUnavailable},
	{feed.ErrStopped, codeUnavailable, retryUnavailable},
}
