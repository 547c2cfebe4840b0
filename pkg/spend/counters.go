package spend

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

const (
	// incrHeader makes NATS add its value to the counter of the message's subject.
	incrHeader = "Nats-Incr"
	// codeDuplicate is the NATS error code for a batch with a duplicate message.
	codeDuplicate = 10201
	// codeTooMany is that for a batch while too many others are in progress; busyPause is the pause before the next attempt.
	codeTooMany = 10210
	busyPause   = 20 * time.Millisecond
	// maxAlone bounds the batches of single jobs that this process has in progress: NATS accepts fifty of a stream.
	maxAlone = 4
	// maxTogether bounds the messages of one write: a batch of NATS has at most a thousand.
	maxTogether = 900
	// pace is the least time between the beginnings of two writes while jobs wait: NATS makes files for each batch, and removes them.
	pace = 50 * time.Millisecond
	// enough is how many jobs may wait before the next write begins earlier.
	enough = 192
	// trusted is for how long after its end a job whose record this process has stored cannot be counted by another one unnoticed: NATS
	// detects duplicates of a mark for twice as long.
	trusted = time.Minute
	// writeTimeout bounds one write.
	writeTimeout = 15 * time.Second
)

// errDuplicate is returned for a write in which at least one job is counted already.
var errDuplicate = errors.New("a job is counted already")

// Counters counts the jobs that end in this process. Its zero value is not usable; New makes one.
type Counters struct {
	broker *broker.Broker
	now    func() time.Time

	// alones holds one value for each job that is counted alone.
	alones chan struct{}

	mu sync.Mutex
	// busy is set while a write is in progress, and next has the jobs that wait for the one after it.
	busy bool
	next []*entry
	// full, if not nil, is closed when enough jobs wait.
	full chan struct{}
}

// New returns the counters stored in a broker. It costs no request.
func New(b *broker.Broker) *Counters {
	return &Counters{broker: b, now: time.Now, alones: make(chan struct{}, maxAlone)}
}

// entry is a job to be counted.
type entry struct {
	// marks must not exist yet, and are stored with the changes.
	marks   []string
	changes []change
	done    chan struct{}
	err     error
}

// change adds to a counter.
type change struct {
	subject string
	by      *big.Int
}

// Add counts a job that has ended, once however often it is called, and returns when that is on disk. fresh reports that this process has
// just stored the record and calls Add for the first time. It costs nothing for a job that is not counted or has used nothing, and
// otherwise an atomic batch, which it shares with jobs that end at the same time, and a read unless the job is fresh.
//
// A NATS whose users were configured for 0.1.0 does not permit it. Jobs end uncounted then: the alternative is that they
// do not end. The broker logs that.
func (c *Counters) Add(ctx context.Context, r *job.Record, fresh bool) error {
	e := newEntry(r, false)
	if e == nil || c.denied() {
		return nil
	}
	err := errDuplicate
	if fresh && c.unseen(r) {
		err = c.together(ctx, e)
	}
	if errors.Is(err, errDuplicate) {
		err = c.alone(ctx, r)
	}
	switch {
	case err != nil && c.denied():
		return nil
	case err != nil:
		return fmt.Errorf("count the cost of a job: %w", err)
	}
	return c.broker.Durable(ctx, broker.StreamSpend)
}

// denied reports whether this process may not count.
func (c *Counters) denied() bool {
	return c.broker.Denied(broker.SpendPrefix) || c.broker.Denied("$JS.API.STREAM.MSG.GET."+broker.StreamSpend)
}

// unseen reports that NATS would still detect that another process has counted a job whose record this process has just stored, or that its
// charge was reversed.
func (c *Counters) unseen(r *job.Record) bool {
	since := r.FinishedAt.Time
	if len(r.Spec.Spending.Budgets) > 0 {
		since = r.Spec.CreatedAt.Time // A charge is reversed soon after the submission.
	}
	return c.now().Sub(since) < trusted
}

// newEntry returns what counts a job; nil if there is nothing to count. released reports that its charge to budgets was reversed.
func newEntry(r *job.Record, released bool) *entry {
	spec, usage := r.Spec, r.Usage()
	if spec.Spending == nil || (usage == nil && len(spec.Spending.Budgets) == 0) {
		return nil
	}
	e := &entry{marks: []string{endMark(r)}, changes: budgetChanges(r, released), done: make(chan struct{})}
	if len(spec.Spending.Budgets) > 0 && !released {
		// The charge must not be reversed, now and later.
		e.marks = append(e.marks, chargeMark(spec))
	}
	if usage == nil {
		return e
	}
	t := totals{Jobs: 1, Units: int64(r.Produced())}
	cost, known := usage.Amount()
	currency := usage.Currency
	if t.Cost = cost; !known {
		t.Unpriced, currency = 1, ""
	}
	e.changes = append(e.changes, change{totalSubject(spec, currency), t.pack()})
	return e
}

// endMark marks that a job is counted.
func endMark(r *job.Record) string {
	return broker.SpendMarkSubject(job.DayOf(r.FinishedAt.Time), r.Spec.ID, r.Spec.CreatedAt.Time)
}

// totalSubject returns the counter of a job. A job counts for the day on which it was submitted.
func totalSubject(spec *job.Spec, currency string) string {
	return broker.SpendTotalSubject(spec.Owner, job.DayOf(spec.CreatedAt.Time), spec.Kind, encode(spec.Model()), spec.APIKey, encode(currency))
}

// encode returns a token for any text.
func encode(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// decode returns the text of a token.
func decode(token string) string {
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return token
	}
	return string(text)
}

// together counts a job in one write with others that arrive while an earlier write is in progress. It fails with errDuplicate if any of
// these is counted already; none is counted then.
func (c *Counters) together(ctx context.Context, e *entry) error {
	c.mu.Lock()
	first := !c.busy
	if c.busy = true; !first {
		c.next = append(c.next, e)
		if c.full != nil && len(c.next) >= enough {
			close(c.full)
			c.full = nil
		}
	}
	c.mu.Unlock()
	if first {
		// It is not canceled with any single one of the jobs.
		background := context.WithoutCancel(ctx)
		began := time.Now()
		c.write(background, e)
		if c.waiting() {
			go c.writeAll(background, began)
		}
	}
	select {
	case <-e.done:
		return e.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// waiting reports whether jobs have arrived during a write. If not, the next one that arrives is the first.
func (c *Counters) waiting() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy = len(c.next) > 0
	return c.busy
}

// take returns jobs that wait.
func (c *Counters) take() []*entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, messages := 0, 0
	for _, e := range c.next {
		if messages += len(e.marks) + len(e.changes); messages > maxTogether {
			break
		}
		n++
	}
	taken := c.next[:n:n]
	c.next = c.next[n:]
	return taken
}

// writeAll counts the jobs that wait until there are none; began is when the write before began.
func (c *Counters) writeAll(ctx context.Context, began time.Time) {
	for c.waiting() {
		c.pause(time.Until(began.Add(pace)))
		began = time.Now()
		c.write(ctx, c.take()...)
	}
}

// pause waits for a time, or until enough jobs wait.
func (c *Counters) pause(d time.Duration) {
	c.mu.Lock()
	if len(c.next) >= enough {
		c.mu.Unlock()
		return
	}
	full := make(chan struct{})
	c.full = full
	c.mu.Unlock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-full:
	case <-timer.C:
	}
}

// write counts jobs, and tells all of them the outcome.
func (c *Counters) write(ctx context.Context, entries ...*entry) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	err := c.publish(ctx, entries...)
	for _, e := range entries {
		e.err = err
		close(e.done)
	}
}

// publish counts jobs in one write. It fails with errDuplicate if one of them is counted already.
func (c *Counters) publish(ctx context.Context, entries ...*entry) error {
	sums := make(map[string]*big.Int)
	var subjects []string
	var batch []*nats.Msg
	for _, e := range entries {
		for _, mark := range e.marks {
			// The ID of a mark makes NATS refuse a batch that counts the job again.
			batch = append(batch, &nats.Msg{Subject: mark, Header: nats.Header{incrHeader: {"+1"}, nats.MsgIdHdr: {mark}}})
		}
		for _, ch := range e.changes {
			if sums[ch.subject] == nil {
				sums[ch.subject] = new(big.Int)
				subjects = append(subjects, ch.subject)
			}
			sums[ch.subject].Add(sums[ch.subject], ch.by)
		}
	}
	for _, subject := range subjects {
		batch = append(batch, &nats.Msg{Subject: subject, Header: nats.Header{incrHeader: {fmt.Sprintf("%+d", sums[subject])}}})
	}
	for {
		_, err := jetstreamext.PublishMsgBatch(ctx, c.broker.JetStream(), batch)
		api, refused := errors.AsType[*jetstream.APIError](err)
		switch {
		case refused && int(api.ErrorCode) == codeDuplicate:
			return errDuplicate
		case refused && int(api.ErrorCode) == codeTooMany && lifecycle.Sleep(ctx, busyPause):
			continue
		}
		return err
	}
}

// alone counts a job unless it is counted.
func (c *Counters) alone(ctx context.Context, r *job.Record) error {
	// NATS detects duplicates of a mark for two minutes only.
	counted, err := c.marked(ctx, endMark(r))
	if counted || err != nil {
		return err
	}
	released := false
	if len(r.Spec.Spending.Budgets) > 0 {
		if released, err = c.marked(ctx, chargeMark(r.Spec)); err != nil {
			return err
		}
	}
	e := newEntry(r, released)
	if e == nil {
		return nil
	}
	err = c.publishAlone(ctx, e)
	if !errors.Is(err, errDuplicate) {
		return err
	}
	// Another process has just counted it, or reversed the charge.
	if counted, err = c.marked(ctx, endMark(r)); counted || err != nil {
		return err
	}
	return errDuplicate
}

// once makes the changes of an entry with one mark unless that exists, and returns when they are on disk.
func (c *Counters) once(ctx context.Context, e *entry) error {
	done, err := c.marked(ctx, e.marks[0])
	if err == nil && !done {
		err = c.publishAlone(ctx, e)
	}
	if err != nil && !errors.Is(err, errDuplicate) {
		return fmt.Errorf("change budgets: %w", err)
	}
	return c.broker.Durable(ctx, broker.StreamSpend)
}

// publishAlone is publish for one entry, of which only a few are in progress at a time.
func (c *Counters) publishAlone(ctx context.Context, e *entry) error {
	select {
	case c.alones <- struct{}{}:
		defer func() { <-c.alones }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return c.publish(ctx, e)
}

// marked reports whether a mark exists.
func (c *Counters) marked(ctx context.Context, mark string) (bool, error) {
	_, err := broker.LeaderLast(ctx, c.broker.JetStream(), broker.StreamSpend, mark)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read mark: %w", err)
	}
	return true, nil
}
