package feed

import (
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// Forecast is what estimates are made from: for each kind its slots and seconds, for each line what waits and what is in
// hand.
type Forecast struct {
	Slots   map[job.Kind]int
	Seconds map[job.Kind]float64
	Waiting map[Line]int
	InHand  map[Line]int
}

// Line is a kind and a lane.
type Line struct {
	Kind job.Kind
	Lane job.Lane
}

func (f Forecast) forecast() forecast {
	loads := make(map[lane]load)
	for _, kind := range job.Kinds() {
		for _, l := range job.Lanes() {
			loads[lane{kind, l}] = load{f.Waiting[Line{kind, l}], f.InHand[Line{kind, l}]}
		}
	}
	return forecast{f.Slots, f.Seconds, loads}
}

// Queued is queued.
func (f Forecast) Queued(of Line, ahead int) float64 {
	return f.forecast().queued(lane{of.Kind, of.Lane}, ahead)
}

// Running is running.
func (f Forecast) Running(kind job.Kind, p *job.Progress, now time.Time) float64 {
	return f.forecast().running(kind, p, now)
}

// Retrying is retrying.
func (f Forecast) Retrying(kind job.Kind, p *job.Progress, now time.Time) float64 {
	return f.forecast().retrying(kind, p, now)
}

// Sum is sum.
var Sum = sumWorkers

// News reports whether an estimate is news to whoever knows another one for the same place.
func News(eta, known int) bool { return position{eta: eta}.isNews(position{eta: known}) }

// Tracker opens the memory of a stream of many jobs to the tests.
type Tracker struct{ *tracker }

// NewTracker returns an empty memory.
func NewTracker() Tracker { return Tracker{newTracker()} }

// Record is enter.
func (o Tracker) Record(snap *job.Snapshot) bool { return o.record(Event{Snapshot: snap}) }

// SetPosition is move.
func (o Tracker) SetPosition(id string, ahead int) bool {
	return o.setPosition(id, position{ahead: ahead})
}

// Forget is forget.
func (o Tracker) Forget(id string) { o.forget(id) }

// Sweep is sweep.
func (o Tracker) Sweep(now time.Time) { o.sweep(now) }

// Size is how many entries are kept in all.
func (o Tracker) Size() int { return len(o.active) + len(o.positions) + len(o.ended) }

// Lane is the places that are known of a lane's waiting jobs.
type Lane struct{ list []waiting }

// NewLane returns a lane of jobs with the given sequences, of which nothing is known.
func NewLane(sequences ...uint64) *Lane {
	l := &Lane{}
	for _, sequence := range sequences {
		l.list = append(l.list, waiting{sequence: sequence})
	}
	return l
}

// Due is due.
func (l *Lane) Due() []uint64 { return due(l.list) }

// Fill is fill.
func (l *Lane) Fill(asked []uint64, found map[uint64]int, now time.Time) {
	fillPlaces(l.list, asked, found, now)
}

// Ahead returns the places, -1 for those that are not known.
func (l *Lane) Ahead() []int {
	places := make([]int, len(l.list))
	for i, w := range l.list {
		if places[i] = w.ahead; w.at.IsZero() {
			places[i] = -1
		}
	}
	return places
}

// What is asked for with every tick.
const (
	FrontPlaces   = frontPlaces
	QueriedPlaces = queriedPlaces
)

// Tracked is how many waiting jobs have their places told, and to how many hubs.
func (f *Feed) Tracked() (jobs, hubs int) {
	f.positions.mu.Lock()
	defer f.positions.mu.Unlock()
	return len(f.positions.jobs), len(f.positions.byHub)
}

// Topics is how many subjects are subscribed to.
func (f *Feed) Topics() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.hubs)
}

// Waiting is how many subscribers there are.
func (f *Feed) Waiting() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, h := range f.hubs {
		n += h.refs
	}
	return n
}

// SetAfterRead has f called whenever the jobs of an owner were read and no event of theirs was shown yet.
func (f *Feed) SetAfterRead(hook func()) { f.afterRead = hook }

// SetSlowTimeout changes for how long a reader may receive nothing. It must be called before the first reader.
func (f *Feed) SetSlowTimeout(d time.Duration) { f.slowTimeout = d }

// KnowsEnd reports whether the readers of an owner's jobs were told of the end of one.
func (f *Feed) KnowsEnd(owner, id string) bool {
	f.mu.Lock()
	h := f.hubs[broker.OwnerEventsSubject(owner)]
	f.mu.Unlock()
	if h == nil {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.tracker.hasEnded(id)
}
