package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// DeadLetterFilter selects dead letters; the zero value selects all.
type DeadLetterFilter struct {
	Kinds []job.Kind
	// Codes are codes of job.Error.
	Codes []string
	Owner string
	// Since excludes jobs that failed before it.
	Since time.Time
}

// subject matches the selected dead letters, and others as well unless bySubject is true.
func (f DeadLetterFilter) subject() string {
	if f.Owner == "" && len(f.Kinds) != 1 {
		// The stream holds nothing else, and NATS counts a whole stream without reading its subjects.
		return ">"
	}
	kind := job.Kind("")
	if len(f.Kinds) == 1 {
		kind = f.Kinds[0]
	}
	return broker.DeadsSubject(kind, f.Owner)
}

// bySubject reports whether the subject alone selects the dead letters.
func (f DeadLetterFilter) bySubject() bool {
	return len(f.Kinds) < 2 && len(f.Codes) == 0 && f.Since.IsZero()
}

// matches reports whether a dead letter is selected. One that cannot be decoded has no code.
func (f DeadLetterFilter) matches(l *DeadLetter) bool {
	if len(f.Codes) > 0 && (l.Dead == nil || !slices.Contains(f.Codes, l.Dead.Error.Code)) {
		return false
	}
	return (len(f.Kinds) == 0 || slices.Contains(f.Kinds, l.Kind)) && (f.Owner == "" || l.Owner == f.Owner) &&
		!l.FailedAt().Before(f.Since)
}

// DeadLetterPage is a page of dead letters, newest first.
type DeadLetterPage struct {
	Letters []*DeadLetter
	// Total is the number of selected dead letters on all pages.
	Total int
	// Next is where the next page starts; 0 on the last page.
	Next uint64
}

// DeadLetters returns a page of the selected dead letters before a sequence; 0 starts at the newest. It costs a few requests when
// the filter has an owner, one kind, or nothing; with codes, several kinds or a time, every dead letter since that time is read.
func (s *Store) DeadLetters(ctx context.Context, f DeadLetterFilter, before uint64, limit int) (*DeadLetterPage, error) {
	limit = max(1, limit)
	if before == 0 {
		before = math.MaxUint64
	}
	read := s.deadLettersBySearch
	if f.bySubject() {
		read = s.deadLettersBySubject
	}
	// One more than the limit shows whether there is a next page.
	letters, total, err := read(ctx, f, before, limit+1)
	if err != nil {
		return nil, err
	}
	page := &DeadLetterPage{Letters: letters, Total: total}
	slices.Reverse(page.Letters)
	if len(page.Letters) > limit {
		page.Letters = page.Letters[:limit]
		page.Next = page.Letters[limit-1].Sequence
	}
	return page, nil
}

// deadLettersBySubject returns the last n selected dead letters before a sequence, oldest first, and the total number.
func (s *Store) deadLettersBySubject(ctx context.Context, f DeadLetterFilter, before uint64, n int) ([]*DeadLetter, int, error) {
	from, to, total, err := broker.LastRange(ctx, s.js, s.dead, f.subject(), before, n)
	if err != nil {
		return nil, 0, fmt.Errorf("list dead letters: %w", err)
	}
	letters := make([]*DeadLetter, 0, n)
	err = s.EachDeadLetter(ctx, f, from, to, func(l *DeadLetter) (bool, error) {
		letters = append(letters, l)
		return true, nil
	})
	return letters, clampInt(total), err
}

// deadLettersBySearch is deadLettersBySubject for filters that depend on the content.
func (s *Store) deadLettersBySearch(ctx context.Context, f DeadLetterFilter, before uint64, n int) ([]*DeadLetter, int, error) {
	var letters []*DeadLetter
	total := 0
	err := s.EachDeadLetter(ctx, f, 1, math.MaxUint64, func(l *DeadLetter) (bool, error) {
		total++
		if l.Sequence < before {
			if len(letters) == n {
				letters = slices.Delete(letters, 0, 1)
			}
			letters = append(letters, l)
		}
		return true, nil
	})
	return letters, total, err
}

// EachDeadLetter calls visit with each selected dead letter from one sequence to another, both included, oldest first, until visit
// returns false or an error. It costs one request for each 500 dead letters that are read.
func (s *Store) EachDeadLetter(ctx context.Context, f DeadLetterFilter, from, to uint64, visit func(*DeadLetter) (more bool, err error)) error {
	subject := f.subject()
	if !f.Since.IsZero() {
		// A dead letter is stored after its job has failed, but the clocks of worker and NATS may differ.
		first, err := broker.FirstSince(ctx, s.js, broker.StreamDead, subject, f.Since.Add(-clockSkew))
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
			return nil
		case err != nil:
			return err
		}
		from = max(from, first)
	}
	return broker.Range(ctx, s.js, broker.StreamDead, subject, from, to, func(msg *jetstream.RawStreamMsg) (bool, error) {
		letter, ok := decodeDeadLetter(msg)
		if !ok || !f.matches(letter) {
			return true, nil
		}
		return visit(letter)
	})
}

// clockSkew is how much the clocks of worker and NATS may differ.
const clockSkew = 5 * time.Minute

// LastDeadLetter returns the highest sequence of a dead letter, even if that was removed. It costs one request.
func (s *Store) LastDeadLetter(ctx context.Context) (uint64, error) {
	info, err := s.dead.Info(ctx)
	if err != nil {
		return 0, fmt.Errorf("look for the newest dead letter: %w", err)
	}
	return info.State.LastSeq, nil
}

func clampInt(n uint64) int { return int(min(n, 1<<30)) }
