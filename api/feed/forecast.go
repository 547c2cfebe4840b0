package feed

import (
	"math"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// memberTurns is how many jobs of members a busy pool starts before each job of a guest while both wait. It must be the same
// as in the worker.
const memberTurns = 3

// poolOf returns the kinds that share their slots with a kind, including itself. The text kinds share one pool.
func poolOf(kind job.Kind) []job.Kind {
	if kind == job.KindPrompt || kind == job.KindTranslation {
		return []job.Kind{job.KindPrompt, job.KindTranslation}
	}
	return []job.Kind{kind}
}

// lane identifies a queue: a kind and a lane.
type lane struct {
	kind job.Kind
	lane job.Lane
}

// load counts the jobs of a lane that wait for their first attempt, and those that run or wait for another attempt.
type load struct{ waiting, inFlight int }

// forecast estimates durations from the capacity of the workers and the load.
type forecast struct {
	// slots is how many jobs of a kind all workers together run concurrently. Kinds of a pool share their slots.
	slots map[job.Kind]int
	// seconds is how long a job of a kind runs.
	seconds map[job.Kind]float64
	loads   map[lane]load
}

// queued estimates the seconds to the end of a job with ahead jobs of its kind and lane before it. It returns 0 if there is no
// worker or no known run time. The estimate is the run time of the job plus the work that starts before it, divided by
// the slots.
func (f forecast) queued(of lane, ahead int) float64 {
	slots, run := float64(f.slots[of.kind]), f.seconds[of.kind]
	if slots <= 0 || run <= 0 {
		return 0
	}
	before, work := f.before(of, ahead)
	free := slots - f.busy(of.kind)
	if before < free {
		return run
	}
	if before > 0 {
		// A job that starts at once delays the others only by occupying its slot.
		work *= (before - free) / before
	}
	return f.first(of.kind, free/slots) + work/slots + run
}

// first estimates the seconds until the next slot is free. idle is the share of slots that start to run now. Runs in progress
// started at different times, so one of them ends soon. Runs that start together end together, so the jobs behind them wait
// for half a run or more.
func (f forecast) first(kind job.Kind, idle float64) float64 {
	slots, run := float64(f.slots[kind]), f.seconds[kind]
	return run * (idle*(slots+1)/(2*slots) + (1-idle)/(slots+1))
}

// before returns how many jobs start before one with ahead jobs of its kind and lane before it, and how many seconds they run.
// Kinds of a pool take turns, and so do the lanes: every fourth job is of a guest.
func (f forecast) before(of lane, ahead int) (jobs, work float64) {
	jobs, work = float64(ahead), float64(ahead)*f.seconds[of.kind]
	for _, kind := range poolOf(of.kind) {
		if kind != of.kind {
			n := math.Min(float64(f.loads[lane{kind, of.lane}].waiting), float64(ahead))
			jobs, work = jobs+n, work+n*f.secondsOf(kind, of.kind)
		}
	}
	other, most := job.LaneMember, memberTurns*(jobs+1)
	if of.lane == job.LaneMember {
		other, most = job.LaneGuest, math.Floor(jobs/memberTurns)
	}
	var waiting, theirs float64
	for _, kind := range poolOf(of.kind) {
		n := float64(f.loads[lane{kind, other}].waiting)
		waiting, theirs = waiting+n, theirs+n*f.secondsOf(kind, of.kind)
	}
	if n := math.Min(waiting, most); n > 0 {
		jobs, work = jobs+n, work+theirs*n/waiting
	}
	return jobs, work
}

// secondsOf returns the run time of a kind, or that of like if it is unknown.
func (f forecast) secondsOf(kind, like job.Kind) float64 {
	if s := f.seconds[kind]; s > 0 {
		return s
	}
	return f.seconds[like]
}

// busy returns an upper bound of the occupied slots in the pool of a kind. Jobs that wait for another attempt occupy no slot but
// count as in flight, and their number is unknown.
func (f forecast) busy(kind job.Kind) float64 {
	inFlight := 0
	for _, k := range poolOf(kind) {
		for _, l := range job.Lanes() {
			inFlight += f.loads[lane{k, l}].inFlight
		}
	}
	return float64(min(inFlight, f.slots[kind]))
}

// running estimates the seconds to the end of a running job, or 0 if that is unknown. A job that runs longer than usual gets one
// second. The start of a later attempt is unknown, so it gets a whole run.
func (f forecast) running(kind job.Kind, p *job.Progress, now time.Time) float64 {
	run := f.seconds[kind]
	if f.slots[kind] <= 0 || run <= 0 || p.StartedAt == nil {
		return 0
	}
	if p.Delivery > 1 {
		return run
	}
	return min(max(run-now.Sub(p.StartedAt.Time).Seconds(), 1), run)
}

// retrying estimates the seconds to the end of a job that waits for another attempt, or 0 if that is unknown. When its attempt is
// due, the job precedes jobs that have not started.
func (f forecast) retrying(kind job.Kind, p *job.Progress, now time.Time) float64 {
	slots, run := float64(f.slots[kind]), f.seconds[kind]
	if slots <= 0 || run <= 0 || p.NextAttemptAt == nil {
		return 0
	}
	wait := max(p.NextAttemptAt.Sub(now).Seconds(), 0)
	if f.busy(kind) >= slots {
		wait += f.first(kind, 0)
	}
	return wait + run
}

// sumWorkers returns the sum of the slots and the average run times of workers. A slot that is twice as fast runs twice as many
// jobs, so speeds are averaged. A worker without a run time is assumed to be like the others.
func sumWorkers(workers []control.Worker) (slots map[job.Kind]int, seconds map[job.Kind]float64) {
	slots, seconds = map[job.Kind]int{}, map[job.Kind]float64{}
	measured, speed := map[job.Kind]int{}, map[job.Kind]float64{}
	for _, w := range workers {
		for kind, n := range w.Slots {
			slots[kind] += max(n, 0)
			if run := w.RunSeconds[kind]; run > 0 && n > 0 {
				measured[kind] += n
				speed[kind] += float64(n) / run
			}
		}
	}
	for kind, n := range measured {
		seconds[kind] = float64(n) / speed[kind]
	}
	return slots, seconds
}
