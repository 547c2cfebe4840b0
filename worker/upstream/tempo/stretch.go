package tempo

import (
	"context"
	"errors"
	"fmt"
	"math"
)

// The speeds that Stretch accepts; 2 is twice as fast.
const (
	MinSpeed = 0.25
	MaxSpeed = 4.0
)

const (
	// hopTime is how much of each window is new, in milliseconds: longer than one period of the deepest voice, short
	// enough that a consonant is neither doubled nor lost.
	hopTime = 15
	// reachTime is how far from its due place a window may be taken, in milliseconds: a whole period of a deep voice.
	reachTime = 12
	// searchRate is the number of samples in a second that the coarse search looks at; the pitch of speech needs no more.
	searchRate = 11025
)

// errSpeed is the error of a speed out of bounds.
var errSpeed = errors.New("speed is out of bounds")

// Stretch returns the sound at another speed with its pitch kept. The result has the length of the original divided by
// the speed, to the frame. It fails when the speed lies outside MinSpeed and MaxSpeed or ctx ends. A minute of speech
// takes up to a tenth of a second of computing time, and memory for the result and for one channel of the original.
func (s *Sound) Stretch(ctx context.Context, speed float64) (*Sound, error) {
	if !(speed >= MinSpeed && speed <= MaxSpeed) {
		return nil, fmt.Errorf("stretch sound: %w", errSpeed)
	}
	frames := s.Frames()
	want := int(math.Round(float64(frames) / speed))
	if frames > 0 {
		want = max(want, 1)
	}
	out := &Sound{Rate: s.Rate, Channels: s.Channels, Samples: make([]int16, want*s.Channels)}
	hop := max(s.Rate*hopTime/1000, 8)
	if frames < 4*hop {
		// Too short to take windows from, and too short for a pitch to be heard.
		s.resample(out)
		return out, nil
	}
	w := weaver{
		in: s, out: out, hop: hop,
		mono:   s.mono(),
		fade:   fadeIn(hop),
		reach:  s.Rate * reachTime / 1000,
		stride: max(s.Rate/searchRate, 1),
	}
	if err := w.weave(ctx, speed); err != nil {
		return nil, fmt.Errorf("stretch sound: %w", err)
	}
	return out, nil
}

// weaver puts windows of one sound down as another.
type weaver struct {
	in, out *Sound
	// mono is what the places of windows are chosen by, so that channels stay together.
	mono []int16
	// hop is half of a window, in frames: what two neighbours share.
	hop int
	// fade is the weight of a new window while it takes over, of 1<<15.
	fade          []int32
	reach, stride int
}

// weave fills the output hop by hop: each is a crossing from what follows the last window to the best new one.
func (w *weaver) weave(ctx context.Context, speed float64) error {
	total := w.out.Frames()
	copy(w.out.Samples, w.in.Samples[:w.hop*w.in.Channels])
	// What follows a window must be whole, too, or the crossing from it would begin in nothing.
	last := len(w.mono) - 2*w.hop
	next := w.hop
	for done := w.hop; done < total; done += w.hop {
		if err := ctx.Err(); err != nil {
			return err
		}
		due := min(int(math.Round(float64(done)*speed)), last)
		from := w.best(due, next, last)
		w.cross(next, from, done, min(w.hop, total-done))
		next = from + w.hop
	}
	return nil
}

// best returns the place near due from which the sound looks most like what follows at next. Among equals the nearest to
// where the search begins wins, so that silence keeps its pace.
func (w *weaver) best(due, next, last int) int {
	low, high := max(due-w.reach, 0), min(due+w.reach, last)
	if low <= next && next <= high {
		// Going on where the last window ended is what all others are measured by.
		return next
	}
	best, least := due, w.distance(due, next, w.stride, math.MaxInt64)
	for at := low; at <= high; at += w.stride {
		if d := w.distance(at, next, w.stride, least); d < least {
			best, least = at, d
		}
	}
	if w.stride == 1 {
		return best
	}
	low, high = max(best-w.stride+1, low), min(best+w.stride-1, high)
	least = w.distance(best, next, 1, math.MaxInt64)
	for at := low; at <= high; at++ {
		if d := w.distance(at, next, 1, least); d < least {
			best, least = at, d
		}
	}
	return best
}

// distance returns how much the sound at both places differs, looking at every stride-th sample, or any larger number
// once it exceeds the bound.
func (w *weaver) distance(at, next, stride int, bound int64) int64 {
	a, b := w.mono[at:at+w.hop], w.mono[next:next+w.hop]
	var sum int64
	for i := 0; i < len(a) && i < len(b); i += stride {
		d := int64(a[i]) - int64(b[i])
		if d < 0 {
			d = -d
		}
		if sum += d; sum >= bound {
			return sum
		}
	}
	return sum
}

// cross writes n frames at done that turn from the sound at next into the sound at from.
func (w *weaver) cross(next, from, done, n int) {
	const one, half = 1 << 15, 1 << 14
	channels := w.in.Channels
	for i := range n {
		in := w.fade[i]
		for c := range channels {
			before, after := int32(w.in.Samples[(next+i)*channels+c]), int32(w.in.Samples[(from+i)*channels+c])
			mixed := (before*(one-in) + after*in + half) >> 15
			w.out.Samples[(done+i)*channels+c] = int16(mixed) //nolint:gosec // A weighted mean lies between two samples.
		}
	}
}

// mono returns the mean of the channels; that of a single one shares its memory.
func (s *Sound) mono() []int16 {
	if s.Channels == 1 {
		return s.Samples
	}
	out := make([]int16, s.Frames())
	for i := range out {
		sum := int32(0)
		for _, sample := range s.Samples[i*s.Channels : (i+1)*s.Channels] {
			sum += int32(sample)
		}
		out[i] = int16(sum / int32(s.Channels)) //nolint:gosec // A mean of samples is one.
	}
	return out
}

// fadeIn returns half a raised cosine, which with its mirror image adds up to 1<<15 everywhere.
func fadeIn(n int) []int32 {
	fade := make([]int32, n)
	for i := range fade {
		fade[i] = int32(math.Round((0.5 - 0.5*math.Cos(math.Pi*(float64(i)+0.5)/float64(n))) * (1 << 15)))
	}
	return fade
}

// Halve returns the sound with half as many frames in a second: as long, in half of the memory, without its highest
// tones. Speech stays clear down to a rate of some 11,000.
func (s *Sound) Halve() *Sound {
	frames := s.Frames() / 2
	out := &Sound{Rate: s.Rate / 2, Channels: s.Channels, Samples: make([]int16, frames*s.Channels)}
	for i := range frames {
		for c := range s.Channels {
			here := 2*i*s.Channels + c
			before, after := max(here-s.Channels, c), here+s.Channels
			mean := (int32(s.Samples[before]) + 2*int32(s.Samples[here]) + int32(s.Samples[after])) / 4
			out.Samples[i*s.Channels+c] = int16(mean) //nolint:gosec // A mean of samples is one.
		}
	}
	return out
}

// resample fills out with the sound drawn out or pressed together, pitch and all.
func (s *Sound) resample(out *Sound) {
	frames, want := s.Frames(), out.Frames()
	for i := range want {
		place := (float64(i)+0.5)*float64(frames)/float64(want) - 0.5
		place = min(max(place, 0), float64(frames-1))
		low := int(place)
		high, share := min(low+1, frames-1), place-float64(low)
		for c := range s.Channels {
			a, b := float64(s.Samples[low*s.Channels+c]), float64(s.Samples[high*s.Channels+c])
			out.Samples[i*s.Channels+c] = int16(math.Round(a + (b-a)*share))
		}
	}
}
