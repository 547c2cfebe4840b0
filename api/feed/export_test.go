package feed

import (
	"errors"
	"io"
	"sync"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// Forecast is the exported form of forecast.
type Forecast struct {
	Slots    map[job.Kind]int
	Seconds  map[job.Kind]float64
	Waiting  map[LaneKey]int
	InFlight map[LaneKey]int
}

// LaneKey is the exported form of lane.
type LaneKey struct {
	Kind job.Kind
	Lane job.Lane
}

func (f Forecast) forecast() forecast {
	loads := make(map[lane]load)
	for _, kind := range job.Kinds() {
		for _, l := range job.Lanes() {
			loads[lane{kind, l}] = load{f.Waiting[LaneKey{kind, l}], f.InFlight[LaneKey{kind, l}]}
		}
	}
	return forecast{f.Slots, f.Seconds, loads}
}

// Queued calls queued.
func (f Forecast) Queued(of LaneKey, ahead int) float64 {
	return f.forecast().queued(lane{of.Kind, of.Lane}, ahead)
}

// Running calls running.
func (f Forecast) Running(kind job.Kind, p *job.Progress, now time.Time) float64 {
	return f.forecast().running(kind, p, now)
}

// Retrying calls retrying.
func (f Forecast) Retrying(kind job.Kind, p *job.Progress, now time.Time) float64 {
	return f.forecast().retrying(kind, p, now)
}

// SumWorkers is sumWorkers.
var SumWorkers = sumWorkers

// EstimateIsNews reports whether an estimate is news after another one for the same position.
func EstimateIsNews(eta, known int) bool { return position{eta: eta}.isNews(position{eta: known}) }

// Tracker exports tracker.
type Tracker struct{ tracker }

// NewTracker returns an empty tracker.
func NewTracker() Tracker { return Tracker{newTracker()} }

// Record calls record.
func (o Tracker) Record(snap *job.Snapshot) bool { return o.RecordAsOf(snap, time.Now()) }

// RecordAsOf calls record for a state that was read at a time.
func (o Tracker) RecordAsOf(snap *job.Snapshot, asOf time.Time) bool {
	return o.record(Event{Snapshot: snap}, asOf)
}

// SetPosition calls setPosition.
func (o Tracker) SetPosition(id string, ahead int) bool {
	return o.setPosition(id, position{ahead: ahead})
}

// Forget calls forget.
func (o Tracker) Forget(id string) { o.forget(id) }

// Sweep calls sweep.
func (o Tracker) Sweep(now time.Time) { o.sweep(now) }

// Size returns the number of entries.
func (o Tracker) Size() int {
	n := len(o.jobs)
	for _, s := range o.jobs {
		if s.place != nil {
			n++
		}
	}
	return n
}

// PositionList is the list of queued jobs of a lane.
type PositionList struct{ list []waiting }

// NewPositionList returns a list of jobs with the given sequences and unknown positions.
func NewPositionList(sequences ...uint64) *PositionList {
	l := &PositionList{}
	for _, sequence := range sequences {
		l.list = append(l.list, waiting{sequence: sequence})
	}
	return l
}

// Due calls due.
func (l *PositionList) Due() []uint64 { return due(l.list) }

// Fill calls fillPlaces.
func (l *PositionList) Fill(queried []uint64, found map[uint64]int, now time.Time) {
	fillPlaces(l.list, queried, found, now)
}

// Ahead returns the positions; an unknown one is -1.
func (l *PositionList) Ahead() []int {
	places := make([]int, len(l.list))
	for i, w := range l.list {
		if places[i] = w.ahead; w.at.IsZero() {
			places[i] = -1
		}
	}
	return places
}

// Limits of the queries per tick.
const (
	FrontPlaces   = frontPlaces
	TurnPlaces    = turnPlaces
	UnknownPlaces = unknownPlaces
)

// Tracked returns how many queued jobs have their positions updated, and for how many hubs.
func (f *Feed) Tracked() (jobs, hubs int) {
	f.positions.mu.Lock()
	defer f.positions.mu.Unlock()
	distinct := map[*hub]bool{}
	for _, w := range f.positions.jobs {
		for _, h := range w.hubs {
			distinct[h] = true
		}
	}
	return len(f.positions.jobs), len(distinct)
}

// Hubs returns the number of hubs.
func (f *Feed) Hubs() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.hubs)
}

// References returns the number of references to all hubs.
func (f *Feed) References() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, h := range f.hubs {
		n += h.refs
	}
	return n
}

// SetAfterRead sets the hook that is called after the jobs of an owner were read and before their events are sent.
func (f *Feed) SetAfterRead(hook func()) { f.afterRead = hook }

// KnowsEnd reports whether the hub of an owner has sent the terminal event of a job.
func (f *Feed) KnowsEnd(owner, id string) bool {
	f.mu.Lock()
	h := f.hubs[hubKey{owner: owner}]
	f.mu.Unlock()
	if h == nil {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.tracker.hasEnded(id)
}

// Limits of a reader that lags behind.
const (
	KeptEvents = keptEvents
	LateEvents = lateEvents
)

// SetMaxInbox sets how many events wait for a hub. It must be called before the first reader opens.
func (f *Feed) SetMaxInbox(n int) { f.maxInbox = n }

// RereadInterval calls rereadInterval.
var RereadInterval = rereadInterval

// Queued returns how many events a reader holds.
func (r *Reader) Queued() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.queue)
}

// channels holds the channels of readers whose tests receive events from one.
var channels sync.Map

// channel is how a test receives the events of a reader.
type channel struct {
	events chan Event
	// failed is closed when the reader fails, whether or not it has more events.
	failed chan struct{}
	done   chan struct{}
	err    error
}

// Events returns a channel of the events, which is closed at the end.
func (r *Reader) Events() <-chan Event { return r.channel().events }

// Err waits until the channel of Events is closed, and returns the reason, or nil after a terminal event.
func (r *Reader) Err() error {
	c := r.channel()
	<-c.done
	return c.err
}

func (r *Reader) channel() *channel {
	c := &channel{events: make(chan Event), failed: make(chan struct{}), done: make(chan struct{})}
	if known, loaded := channels.LoadOrStore(r, c); loaded {
		c, _ = known.(*channel)
		return c
	}
	wake, fail := make(chan struct{}, 1), sync.OnceFunc(func() { close(c.failed) })
	r.Notify(func() {
		r.mu.Lock()
		if r.err != nil {
			fail()
		}
		r.mu.Unlock()
		select {
		case wake <- struct{}{}:
		default:
		}
	})
	go r.pump(c, wake)
	return c
}

// pump passes the events of the reader to its channel.
func (r *Reader) pump(c *channel, wake <-chan struct{}) {
	defer close(c.done)
	defer close(c.events)
	for {
		e, err := r.Next()
		switch {
		case errors.Is(err, ErrNone):
			<-wake
			continue
		case errors.Is(err, io.EOF):
			return
		case err != nil:
			c.err = err
			return
		}
		select {
		case c.events <- e:
		case <-c.failed:
		}
	}
}
