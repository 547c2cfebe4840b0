package problem

import (
	"context"
	"errors"
	"time"

	"github.com/text2image-audio/text2image-audio/api/feed"
	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/feedback"
	"github.com/text2image-audio/text2image-audio/pkg/gallery"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// errorTable maps errors of other packages to codes. The first match counts.
var errorTable = []struct {
	err  error
	code string
}{
	// A full or failed disk comes first, since it also causes errors below.
	{broker.ErrDiskFull, CodeStoreFull},
	{broker.ErrDiskFailed, CodeUnavailable},
	{jobs.ErrNotFound, CodeNotFound},
	{store.ErrNotFound, CodeNotFound},
	{queue.ErrNotFound, CodeNotFound},
	{jobs.ErrFinished, CodeFinished},
	{jobs.ErrNotFinished, CodeNotFinished},
	{jobs.ErrNotRetryable, CodeNotRetryable},
	{jobs.ErrReferencesGone, CodeNotRetryable},
	{jobs.ErrKeyReused, CodeKeyReused},
	{queue.ErrFull, CodeQueueFull},
	{queue.ErrNoRoom, CodeStoreFull},
	{store.ErrFull, CodeStoreFull},
	{account.ErrCredentials, CodeWrongCredentials},
	{account.ErrDisabled, CodeAccountDisabled},
	{account.ErrTaken, CodeEmailTaken},
	{account.ErrReset, CodeResetToken},
	{account.ErrVerification, CodeVerificationToken},
	{account.ErrStale, CodeSignInAgain},
	{account.ErrConsumed, CodeGoogleState},
	{account.ErrUnverified, CodeGoogleUnverified},
	{account.ErrLinkRequired, CodeLinkRequired},
	{account.ErrOtherGoogle, CodeOtherGoogle},
	{account.ErrLinked, CodeGoogleLinked},
	{account.ErrNoPassword, CodePasswordRequired},
	// The account was deleted during the request.
	{account.ErrUnknown, CodeToken},
	{account.ErrBusy, CodeUnavailable},
	{account.ErrFull, CodeStoreFull},
	{kv.ErrFull, CodeStoreFull},
	{feedback.ErrFull, CodeStoreFull},
	{gallery.ErrNotFound, CodeImageNotFound},
	{gallery.ErrFull, CodeStoreFull},
	{store.ErrUndecided, CodeUnavailable},
	{queue.ErrUnavailable, CodeUnavailable},
	{quota.ErrUnavailable, CodeUnavailable},
	{lifetime.ErrStopping, CodeUnavailable},
	{context.DeadlineExceeded, CodeUnavailable},
	// Another process, or this one after its upgrade, can read the value.
	{job.ErrNewer, CodeUnavailable},
	// The client is still connected, so the server is about to stop.
	{context.Canceled, CodeUnavailable},
	{feed.ErrStopped, CodeUnavailable},
}

// checkTimeout bounds the check whether NATS is reachable.
const checkTimeout = 2 * time.Second

// ToProblem converts any error to a problem. An error that is not in the table becomes CodeUnavailable if NATS is unreachable,
// and otherwise CodeInternal, without details for the client.
func (w *Writer) ToProblem(ctx context.Context, err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	if p := w.refusedSubmission(err); p != nil {
		return p
	}
	for _, row := range errorTable {
		if errors.Is(err, row.err) {
			return &Problem{Code: row.code, Cause: err}
		}
	}
	if w.broker == nil {
		return &Problem{Code: CodeUnavailable, Reason: "starting", Cause: err}
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if broker.Unavailable(err) || w.broker.Check(ctx) != nil {
		return Unavailable(err)
	}
	return &Problem{Code: CodeInternal, Cause: err}
}
