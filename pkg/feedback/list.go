package feedback

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
)

// statusesAtOnce is how many statuses are read with one request, within the limit of NATS for a multi-subject request.
const statusesAtOnce = 500

// Filter selects feedback; the zero value selects all of it.
type Filter struct {
	Owner    string
	Category string
	Status   Status
	// From and To bound the time, inclusively.
	From, To time.Time
}

// matches reports whether an entry is selected.
func (f Filter) matches(e *Entry) bool {
	return (f.Category == "" || e.Category == f.Category) && (f.Status == "" || e.Status == f.Status) &&
		!e.CreatedAt.Before(f.From) && (f.To.IsZero() || !e.CreatedAt.After(f.To))
}

// bySubject reports whether the subject of an entry determines if it is selected.
func (f Filter) bySubject() bool {
	return f.Category == "" && f.Status == "" && f.From.IsZero() && f.To.IsZero()
}

// Place is the position in a list at which a page ends. The zero value is the start.
type Place struct {
	// Batch is the index in batches.
	Batch int
	// Before is the sequence of the last entry; 0 is the start of the batch.
	Before uint64
}

// Valid reports whether the batch of a place exists.
func (p Place) Valid() bool { return p.Batch >= 0 && p.Batch < len(batches) }

// Page is one page of a list, the newest feedback first.
type Page struct {
	Entries []*Entry
	// Next is the position of the next page; nil on the last one.
	Next *Place
}

// List returns up to limit entries that a filter selects, from a place on, the newest first. It skips entries of a newer version
// of the program. A filter by owner or for all feedback costs a few requests, however much there is; any other filter reads all
// entries, a few hundred with each request.
func (b *Box) List(ctx context.Context, f Filter, at Place, limit int) (*Page, error) {
	page := &Page{}
	for batch := at.Batch; batch < len(batches); batch, at.Before = batch+1, 0 {
		before := at.Before
		if before == 0 {
			before = math.MaxUint64
		}
		// One more entry shows whether there is a next page.
		entries, err := b.last(ctx, f, batches[batch], before, limit+1-len(page.Entries))
		if err != nil {
			return nil, err
		}
		for _, e := range slices.Backward(entries) {
			if len(page.Entries) == limit {
				end := page.Entries[limit-1]
				page.Next = &Place{slices.Index(batches, end.batch), end.sequence}
				return page, nil
			}
			page.Entries = append(page.Entries, e)
		}
	}
	return page, nil
}

// last returns the last n entries that a filter selects in a batch before a sequence, the oldest first.
func (b *Box) last(ctx context.Context, f Filter, batch string, before uint64, n int) (entries []*Entry, err error) {
	if !f.bySubject() {
		return b.search(ctx, f, batch, before, n)
	}
	subject := broker.FeedbackSubject(batch, "", f.Owner, "")
	// More than one pass is needed only if some entries cannot be decoded.
	for len(entries) < n {
		from, to, _, err := broker.LastRange(ctx, b.js, b.stream, subject, before, n-len(entries))
		if err != nil {
			return nil, err
		}
		if from > to {
			break
		}
		var found []*Entry
		err = b.forEach(ctx, subject, from, to, func(some []*Entry) { found = append(found, some...) })
		if err != nil {
			return nil, err
		}
		entries, before = append(found, entries...), from
	}
	return entries, nil
}

// search is last for filters on the content of entries. It reads forwards: finding the start of the last few hundred entries
// would take longer than reading them.
func (b *Box) search(ctx context.Context, f Filter, batch string, before uint64, n int) (entries []*Entry, err error) {
	err = b.forEach(ctx, broker.FeedbackSubject(batch, "", f.Owner, ""), 1, before-1, func(some []*Entry) {
		for _, e := range some {
			if f.matches(e) {
				entries = append(entries, e)
			}
		}
		entries = slices.Clone(entries[max(0, len(entries)-n):])
	})
	return entries, err
}

// forEach calls do with batches of the entries under a subject with sequences from from to to, the oldest first, with their
// status.
func (b *Box) forEach(ctx context.Context, subject string, from, to uint64, do func([]*Entry)) error {
	var entries []*Entry
	flush := func() error {
		if err := b.readStatuses(ctx, entries); err != nil {
			return err
		}
		do(entries)
		entries = nil
		return nil
	}
	err := broker.Range(ctx, b.js, broker.FeedbackStream, subject, from, to, func(msg *jetstream.RawStreamMsg) (bool, error) {
		// Skip entries that cannot be decoded.
		if e, err := entryOf(msg); err == nil {
			entries = append(entries, e)
		}
		if len(entries) < b.statusesAtOnce {
			return true, nil
		}
		return true, flush()
	})
	if err != nil {
		return err
	}
	return flush()
}

// entryOf returns the entry of a message with status Pending. It returns the errors of decodeEntry.
func entryOf(msg *jetstream.RawStreamMsg) (*Entry, error) {
	e, err := decodeEntry(msg.Data)
	if err != nil {
		return nil, err
	}
	var ok bool
	if e.batch, e.day, e.Owner, e.ID, ok = broker.ParseFeedbackSubject(msg.Subject); !ok {
		return nil, errors.New("decode feedback: invalid subject")
	}
	e.sequence, e.Status = msg.Sequence, Pending
	return e, nil
}

// readStatuses sets the status of entries. It costs one request.
func (b *Box) readStatuses(ctx context.Context, entries []*Entry) error {
	ids, byID := make([]string, len(entries)), make(map[string]*Entry, len(entries))
	for i, e := range entries {
		ids[i], byID[e.ID] = e.ID, e
	}
	subject := func(id string) string { return broker.FeedbackDoneSubject(byID[id].Owner, id) }
	return broker.LastMessages(ctx, b.js, broker.FeedbackStream, ids, subject, func(id string, _ *jetstream.RawStreamMsg) error {
		byID[id].Status = Processed
		return nil
	})
}

// Stats holds the numbers of feedback entries.
type Stats struct {
	Total, Pending, Processed int
	// Today counts the entries since midnight, UTC.
	Today int
}

// Stats counts all feedback. It costs three requests, however much there is.
func (b *Box) Stats(ctx context.Context) (Stats, error) {
	var counts [3]uint64
	for i, subject := range []string{
		broker.FeedbackSubject("", "", "", ""), broker.FeedbackDonesSubject(""),
		broker.FeedbackSubject("", b.now().UTC().Format(dayLayout), "", ""),
	} {
		var err error
		if counts[i], err = broker.CountFrom(ctx, b.js, broker.FeedbackStream, subject, 1); err != nil {
			return Stats{}, err
		}
	}
	total, processed, today := int(counts[0]), int(min(counts[1], counts[0])), int(counts[2]) //nolint:gosec // They are far below the limits of int.
	return Stats{Total: total, Pending: total - processed, Processed: processed, Today: today}, nil
}
