package server

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

const (
	defaultBulk = 100
	maxBulk     = 1000
	// bulkTimeout bounds one request on many dead letters. The next request continues with the rest.
	bulkTimeout = time.Minute
)

// bulkRequest is the body of the routes that act on many dead letters.
type bulkRequest struct {
	Kind  string `json:"kind"`
	Code  string `json:"code"`
	Owner string `json:"owner"`
	Since string `json:"since"`
	// All must be true if no other field is set, so that an empty object does not select everything.
	All    bool   `json:"all"`
	Limit  *int   `json:"limit"`
	Cursor string `json:"cursor"`
}

// bulkReply is the outcome for the dead letters that a request processed.
type bulkReply struct {
	Done int `json:"done"`
	// Skipped counts dead letters that cannot be replayed or that disappeared in the meantime.
	Skipped int `json:"skipped"`
	// StoppedBy is the code of the error that ended the request early.
	StoppedBy string `json:"stopped_by,omitempty"`
	// Next continues after the last dead letter, up to the newest one at the time of the first request, so that jobs that
	// fail again are not replayed in a loop.
	Next string `json:"next_cursor,omitempty"`
}

// replayMany is POST /api/admin/dead-letters/replay, oldest first.
func (h *deadLetterHandler) replayMany(c *gin.Context) error {
	return h.bulk(c, func(ctx context.Context, deadLetter *store.DeadLetter) (bool, error) {
		_, _, err := h.replay(ctx, c, deadLetter)
		if errors.Is(err, jobs.ErrNotRetryable) || errors.Is(err, jobs.ErrReferencesGone) || errors.Is(err, errOwnerDeleted) {
			return false, nil
		}
		return err == nil, err
	})
}

// purgeMany is POST /api/admin/dead-letters/purge, oldest first.
func (h *deadLetterHandler) purgeMany(c *gin.Context) error {
	return h.bulk(c, func(ctx context.Context, deadLetter *store.DeadLetter) (bool, error) {
		return h.purge(ctx, c, deadLetter)
	})
}

// bulk calls act for the selected dead letters, one after another.
func (h *deadLetterHandler) bulk(c *gin.Context, act func(context.Context, *store.DeadLetter) (done bool, err error)) error {
	var req bulkRequest
	b, err := bind.JSON(c, &req)
	if err != nil {
		return err
	}
	filter, limit, err := req.selection(b)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), bulkTimeout)
	defer cancel()
	ctx, release := lifetime.UntilStop(ctx)
	defer release()
	from, to, err := h.bulkRange(ctx, req.Cursor)
	if err != nil {
		return err
	}
	deadLetters, err := h.oldest(ctx, filter, from, to, limit)
	if err != nil {
		return err
	}
	var reply bulkReply
	for _, deadLetter := range deadLetters {
		done, err := act(ctx, deadLetter)
		if err != nil && reply.Done == 0 {
			return err
		}
		if err != nil {
			reply.StoppedBy, reply.Next = h.problems.ToProblem(c.Request.Context(), err).Code, encodeSequences(cursorBulk, deadLetter.Sequence, to)
			break
		}
		if done {
			reply.Done++
		} else {
			reply.Skipped++
		}
	}
	if last := len(deadLetters); reply.StoppedBy == "" && last == limit && deadLetters[last-1].Sequence < to {
		reply.Next = encodeSequences(cursorBulk, deadLetters[last-1].Sequence+1, to)
	}
	respond.JSON(c, http.StatusOK, reply)
	return nil
}

// selection returns the filter and the limit of a request.
func (r *bulkRequest) selection(b *bind.Binder) (store.DeadLetterFilter, int, error) {
	given := map[string]string{"kind": r.Kind, "code": r.Code, "owner": r.Owner, "since": r.Since}
	filter := deadLetterFilter(b, "/", func(name string) string { return given[name] })
	limit := defaultBulk
	if r.Limit != nil {
		limit = *r.Limit
	}
	if limit < 1 || limit > maxBulk {
		b.Faults = append(b.Faults, bind.OutOfRange("/limit", 1, maxBulk))
	}
	if len(b.Faults) == 0 && !r.All && len(filter.Kinds) == 0 && len(filter.Codes) == 0 && filter.Owner == "" && filter.Since.IsZero() {
		b.Add("/all", "all_needed")
	}
	return filter, limit, b.Err()
}

// bulkRange returns the range of sequence numbers of a request: that of its cursor, or everything up to now.
func (h *deadLetterHandler) bulkRange(ctx context.Context, text string) (from, to uint64, err error) {
	if text == "" {
		to, err = h.store.LastDeadLetter(ctx)
		return 1, to, err
	}
	sequences, ok := decodeSequences(cursorBulk, text, 2)
	if !ok {
		return 0, 0, problem.New(problem.CodeInvalidCursor)
	}
	return sequences[0], sequences[1], nil
}

// oldest returns up to limit dead letters, oldest first. All are read before any is changed.
func (h *deadLetterHandler) oldest(ctx context.Context, f store.DeadLetterFilter, from, to uint64, limit int) ([]*store.DeadLetter, error) {
	var deadLetters []*store.DeadLetter
	err := h.store.EachDeadLetter(ctx, f, from, to, func(l *store.DeadLetter) (bool, error) {
		deadLetters = append(deadLetters, l)
		return len(deadLetters) < limit, nil
	})
	return deadLetters, err
}
