package feedback

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
)

// batch is how many entries get their status at once, within what NATS answers to one question about many subjects.
const batch = 500

// Filter says which feedback is meant; the zero value means all of it.
type Filter struct {
	Owner    string
	Category string
	Status   Status
	// From and To bound when it was given, both included.
	From, To time.Time
}

// wants reports whether an entry is meant.
func (f Filter) wants(e *Entry) bool {
	return (f.Category == "" || e.Category == f.Category) && (f.Status == "" || e.Status == f.Status) &&
		!e.CreatedAt.Before(f.From) && (f.To.IsZero() || !e.CreatedAt.After(f.To))
}

// bySubject reports whether the subject alone tells which entries are meant.
func (f Filter) bySubject() bool {
	return f.Category == "" && f.Status == "" && f.From.IsZero() && f.To.IsZero()
}

// Place is where a page ended. The zero value is in front of the newest feedback.
type Place struct {
	// Era counts the eras, from the latest on.
	Era int
	// Before is the sequence of the last entry; 0 begins with the era's newest.
	Before uint64
}

// Valid reports whether there can be such a place.
func (p Place) Valid() bool { return p.Era >= 0 && p.Era < len(eras) }

// Page is a part of the feedback, the newest first.
type Page struct {
	Entries []*Entry
	// Next is where the next page begins; nil on the last one.
	Next *Place
}

// List returns up to limit pieces of feedback that a filter means, from a place on, the newest first. What a newer program
// wrote is left out. However much feedback there is, it costs a few requests for one owner or for all; any other filter
// has all of it read, a few hundred pieces with each request.
func (b *Box) List(ctx context.Context, f Filter, at Place, limit int) (*Page, error) {
	page := &Page{}
	for era := at.Era; era < len(eras); era, at.Before = era+1, 0 {
		before := at.Before
		if before == 0 {
			before = math.MaxUint64
		}
		// One more than asked for tells whether there is a next page.
		entries, err := b.last(ctx, f, eras[era], before, limit+1-len(page.Entries))
		if err != nil {
			return nil, err
		}
		for _, e := range slices.Backward(entries) {
			if len(page.Entries) == limit {
				end := page.Entries[limit-1]
				page.Next = &Place{slices.Index(eras, end.era), end.sequence}
				return page, nil
			}
			page.Entries = append(page.Entries, e)
		}
	}
	return page, nil
}

// last returns the last n entries of an era before a sequence that a filter means, the oldest first.
func (b *Box) last(ctx context.Context, f Filter, era string, before uint64, n int) (entries []*Entry, err error) {
	if !f.bySubject() {
		return b.search(ctx, f, era, before, n)
	}
	subject := broker.FeedbackSubject(era, "", f.Owner, "")
	// Those that cannot be read make it more than one turn.
	for len(entries) < n {
		from, to, _, err := broker.Tail(ctx, b.js, b.stream, subject, before, n-len(entries))
		if err != nil {
			return nil, err
		}
		if from > to {
			break
		}
		var found []*Entry
		err = b.each(ctx, subject, from, to, func(batch []*Entry) { found = append(found, batch...) })
		if err != nil {
			return nil, err
		}
		entries, before = append(found, entries...), from
	}
	return entries, nil
}

// search is last for filters that have to look into the entries. It reads forwards: to find the place where the last few
// hundred begin takes longer than to read them.
func (b *Box) search(ctx context.Context, f Filter, era string, before uint64, n int) (entries []*Entry, err error) {
	err = b.each(ctx, broker.FeedbackSubject(era, "", f.Owner, ""), 1, before-1, func(batch []*Entry) {
		for _, e := range batch {
			if f.wants(e) {
				entries = append(entries, e)
			}
		}
		entries = slices.Clone(entries[max(0, len(entries)-n):])
	})
	return entries, err
}

// each hands the entries on a subject to take, the oldest first, with their status and many at once, from one sequence up
// to another, both included.
func (b *Box) each(ctx context.Context, subject string, from, to uint64, take func([]*Entry)) error {
	var entries []*Entry
	flush := func() error {
		if err := b.look(ctx, entries); err != nil {
			return err
		}
		take(entries)
		entries = nil
		return nil
	}
	err := broker.Range(ctx, b.js, broker.FeedbackStream, subject, from, to, func(msg *jetstream.RawStreamMsg) (bool, error) {
		if e := entryOf(msg); e != nil {
			entries = append(entries, e)
		}
		if len(entries) < b.batch {
			return true, nil
		}
		return true, flush()
	})
	if err != nil {
		return err
	}
	return flush()
}

// entryOf returns the entry of a message, or nil when it cannot be read here: it must not hide all others.
func entryOf(msg *jetstream.RawStreamMsg) *Entry {
	era, day, owner, id, ok := broker.ParseFeedbackSubject(msg.Subject)
	e, err := decodeEntry(msg.Data)
	if !ok || err != nil {
		return nil
	}
	e.era, e.day, e.Owner, e.ID, e.sequence, e.Status = era, day, owner, id, msg.Sequence, Pending
	return e
}

// look gives entries their status. It costs one request.
func (b *Box) look(ctx context.Context, entries []*Entry) error {
	ids, byID := make([]string, len(entries)), make(map[string]*Entry, len(entries))
	for i, e := range entries {
		ids[i], byID[e.ID] = e.ID, e
	}
	subject := func(id string) string { return broker.FeedbackDoneSubject(byID[id].Owner, id) }
	return broker.LastOf(ctx, b.js, broker.FeedbackStream, ids, subject, func(id string, _ *jetstream.RawStreamMsg) error {
		byID[id].Status = Processed
		return nil
	})
}

// Stats are figures about all feedback.
type Stats struct {
	Total, Pending, Processed int
	// Today counts what was given since midnight, UTC.
	Today int
}

// Stats counts. It costs three requests, however much there is.
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
	total, processed, today := int(counts[0]), int(min(counts[1], counts[0])), int(counts[2]) //nolint:gosec // Nobody has that much to say.
	return Stats{Total: total, Pending: total - processed, Processed: processed, Today: today}, nil
}
