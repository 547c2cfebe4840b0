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
	// Codes are those of job.Error.
	Codes []string
	Owner string
	// Since excludes jobs that failed earlier.
	Since time.Time
}

// subject matches the selected letters, and others as well unless bySubject is true.
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

// bySubject reports whether the subject alone selects the letters.
func (f DeadLetterFilter) bySubject() bool {
	return len(f.Kinds) < 2 && len(f.Codes) == 0 && f.Since.IsZero()
}

// matches reports whether a letter is selected. One that cannot be read has no code.
func (f DeadLetterFilter) matches(l *DeadLetter) bool {
	if len(f.Codes) > 0 && (l.Dead == nil || !slices.Contains(f.Codes, l.Dead.Error.Code)) {
		return false
	}
	return (len(f.Kinds) == 0 || slices.Contains(f.Kinds, l.Kind)) && (f.Owner == "" || l.Owner == f.Owner) &&
		!l.FailedAt().Before(f.Since)
}

// DeadLetterPage is a part of the dead letters, the newest first.
type DeadLetterPage struct {
	Letters []*DeadLetter
	// Total is the number of selected letters, on all pages.
	Total int
	// Next is where the next page begins; 0 on the last one.
	Next uint64
}

// DeadLetters returns the newest selected dead letters before the given sequence; 0 begins with the newest. It costs a few requests,
// whatever their number, when the filter names an owner, one kind, or nothing; codes, several kinds and a time require that
// every letter since that time is read.
func (s *Store) DeadLetters(ctx context.Context, f DeadLetterFilter, before uint64, limit int) (*DeadLetterPage, error) {
	limit = max(1, limit)
	if before == 0 {
		before = math.MaxUint64
	}
	read := s.lettersBySearch
	if f.bySubject() {
		read = s.lettersBySubject
	}
	// One more than the limit tells whether there is a next page.
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

// lettersBySubject returns the last few letters before a sequence, the oldest first, and the number of all.
func (s *Store) lettersBySubject(ctx context.Context, f DeadLetterFilter, before uint64, n int) ([]*DeadLetter, int, error) {
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

// lettersBySearch is lettersBySubject for filters that depend on the content of letters.
func (s *Store) lettersBySearch(ctx context.Context, f DeadLetterFilter, before uint64, n int) ([]*DeadLetter, int, error) {
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

// EachDeadLetter calls take with each selected dead letter from one sequence up to another, both included, the oldest first, until
// take returns false or an error. It costs one request for each five hundred letters that are read.
func (s *Store) EachDeadLetter(ctx context.Context, f DeadLetterFilter, from, to uint64, take func(*DeadLetter) (more bool, err error)) error {
	subject := f.subject()
	if !f.Since.IsZero() {
		// A letter is stored after its job has failed, but the clocks of worker and NATS may differ.
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
		letter, ok := newLetter(msg)
		if !ok || !f.matches(letter) {
			return true, nil
		}
		return take(letter)
	})
}

// clockSkew is how far the clocks of worker and NATS may be apart.
const clockSkew = 5 * time.Minute

// LastDeadLetter returns the sequence of the newest dead letter, even if it was removed. It costs one request.
func (s *Store) LastDeadLetter(ctx context.Context) (uint64, error) {
	info, err := s.dead.Info(ctx)
	if err != nil {
		return 0, fmt.Errorf("look for the newest dead letter: %w", err)
	}
	return info.State.LastSeq, nil
}

func clampInt(n uint64) int { return int(min(n, 1<<30)) }
