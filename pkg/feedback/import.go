package feedback

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/export"
)

// Import is what became of an export.
type Import struct {
	// Imported counts new feedback, and Kept what was there already: it is left as it is, since the operator may have
	// dealt with it meanwhile.
	Imported, Kept int
	// Foreign counts the entries of the same store that are no feedback.
	Foreign int
	// Skipped are the entries that could not be taken, in their order, and Unnamed counts those that are too many to be
	// named.
	Skipped []Skipped
	Unnamed int
}

// Skipped is an entry of an export that was not taken. It holds nothing of what the entry says.
type Skipped struct {
	// Entry counts from 1, in the order of the export.
	Entry  int
	Reason string
}

// maxReasons bounds how many entries are named.
const maxReasons = 10_000

// foreign begin the keys of what lay in the same store: lists of keys, which follow from the feedback, and limits that
// have long ended.
var foreign = []string{"user_feedback:", "feedback_rate_limit:"}

// found is an entry of an export that holds feedback.
type found struct {
	place int
	entry *Entry
}

// Import reads an export of the store of feedback, a JSON array of {name or key, value}, and takes the feedback that is
// not there yet. owners tells, by the ids of accounts, to whom their feedback belongs; what was said by somebody whose
// account is not here is not taken, since nobody could delete it with the account. It may be repeated, which brings back
// what was deleted here since. It fails when the export is no such array, which is found before anything is written, and
// when NATS takes no more; what was imported until then stays. It costs two or three requests for each piece of feedback.
func (b *Box) Import(ctx context.Context, from io.Reader, owners map[string]string) (*Import, error) {
	done := &Import{}
	entries, err := readExport(from, owners, done)
	if err != nil {
		return done, err
	}
	// In the order in which it was given, since lists are in the order of writing.
	slices.SortStableFunc(entries, func(a, b found) int {
		return cmp.Or(a.entry.CreatedAt.Compare(b.entry.CreatedAt.Time), cmp.Compare(a.place, b.place))
	})
	for _, f := range entries {
		if err := b.take(ctx, f.entry, done); err != nil {
			return done, fmt.Errorf("import entry %d: %w", f.place, err)
		}
	}
	return done, nil
}

// readExport returns the feedback of an export and takes note of everything else.
func readExport(from io.Reader, owners map[string]string, done *Import) (entries []found, err error) {
	err = export.Each(from, func(x export.Entry) error {
		if slices.ContainsFunc(foreign, func(prefix string) bool { return strings.HasPrefix(x.Name, prefix) }) {
			done.Foreign++
			return nil
		}
		e, reason := exported(x).entry(owners)
		switch {
		case reason == "":
			entries = append(entries, found{x.Place, e})
		case len(done.Skipped) == maxReasons:
			done.Unnamed++
		default:
			done.Skipped = append(done.Skipped, Skipped{x.Place, reason})
		}
		return nil
	})
	return entries, err
}

// take stores one entry, unless it is there. The mark goes first, so that an import that is cut between the two and then
// repeated does not take the feedback for one that the operator has put back.
func (b *Box) take(ctx context.Context, e *Entry, done *Import) error {
	_, err := broker.LeaderLast(ctx, b.js, broker.FeedbackStream, e.subject())
	if err == nil {
		done.Kept++
		return nil
	}
	if !errors.Is(err, jetstream.ErrMsgNotFound) {
		return fmt.Errorf("read feedback: %w", err)
	}
	if e.Status == Processed {
		if err := b.setDone(ctx, e); err != nil {
			return err
		}
	}
	err = b.create(ctx, e)
	switch {
	case errors.Is(err, errConflict):
		done.Kept++
		return nil
	case err != nil:
		return err
	}
	done.Imported++
	return nil
}
