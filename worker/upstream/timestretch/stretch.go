package timestretch

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
	// hopMillis is the hop between windows: longer than one period of the deepest voice, and short enough not to double or
	// drop a consonant.
	hopMillis = 15
	// radiusMillis is the search radius around the nominal position of a window: one period of a deep voice.
	radiusMillis = 12
	// searchRate is the sample rate of the coarse search, which is enough for the pitch of speech.
	searchRate = 11025
)

var errSpeed = errors.New("speed is out of range")

// Stretch returns the sound at another speed with the same pitch. The result has the length of the original divided by the
// speed, rounded to frames. It fails if the speed is outside [MinSpeed, MaxSpeed] or ctx ends. A minute of speech takes up to a
// tenth of a second of CPU time, and memory for the result and for one channel of the original.
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
	hop := max(s.Rate*hopMillis/1000, 8)
	if frames < 4*hop {
		// Too short for windows, and for an audible pitch.
		s.resample(out)
		return out, nil
	}
	w := overlapAdder{
		in: s, out: out, hop: hop,
		mono:   s.mixDown(),
		fade:   fadeIn(hop),
		radius: s.Rate * radiusMillis / 1000,
		stride: max(s.Rate/searchRate, 1),
	}
	if err := w.overlapAdd(ctx, speed); err != nil {
		return nil, fmt.Errorf("stretch sound: %w", err)
	}
	return out, nil
}

// overlapAdder copies overlapping windows of one sound into another.
type overlapAdder struct {
	in, out *Sound
	// mono is used to compare windows, so that the channels stay in phase.
	mono []int16
	// hop is half a window, in frames: the overlap of two windows.
	hop int
	// fade is the weight of the new window in an overlap, in units of 1/(1<<15).
	fade           []int32
	radius, stride int
}

// overlapAdd fills the output hop by hop: each is a crossfade from the continuation of the last window to the most similar
// new window.
func (w *overlapAdder) overlapAdd(ctx context.Context, speed float64) error {
	total := w.out.Frames()
	copy(w.out.Samples, w.in.Samples[:w.hop*w.in.Channels])
	// The continuation of a window must be complete, too, or its crossfade would start with silence.
	last := len(w.mono) - 2*w.hop
	next := w.hop
	for done := w.hop; done < total; done += w.hop {
		if err := ctx.Err(); err != nil {
			return err
		}
		nominal := min(int(math.Round(float64(done)*speed)), last)
		from := w.bestMatch(nominal, next, last)
		w.crossfade(next, from, done, min(w.hop, total-done))
		next = from + w.hop
	}
	return nil
}

// bestMatch returns the position within radius of nominal at which the sound is most similar to the sound at next. Among
// equals the nominal position wins, so that silence keeps its speed.
func (w *overlapAdder) bestMatch(nominal, next, last int) int {
	low, high := max(nominal-w.radius, 0), min(nominal+w.radius, last)
	if low <= next && next <= high {
		// The continuation of the last window is a perfect match.
		return next
	}
	best, least := nominal, w.distance(nominal, next, w.stride, math.MaxInt64)
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

// distance returns the sum of absolute differences of every stride-th sample at both positions. It stops once the sum
// reaches bound.
func (w *overlapAdder) distance(at, next, stride int, bound int64) int64 {
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

// crossfade writes n frames at done, from the sound at next to the sound at from.
func (w *overlapAdder) crossfade(next, from, done, n int) {
	const one, half = 1 << 15, 1 << 14
	channels := w.in.Channels
	for i := range n {
		in := w.fade[i]
		for c := range channels {
			before, after := int32(w.in.Samples[(next+i)*channels+c]), int32(w.in.Samples[(from+i)*channels+c])
			mixed := (before*(one-in) + after*in + half) >> 15
			w.out.Samples[(done+i)*channels+c] = int16(mixed) //nolint:gosec // A weighted mean is between two samples.
		}
	}
}

// mixDown returns the mean of the channels. For mono it shares the memory of s.
func (s *Sound) mixDown() []int16 {
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

// fadeIn returns half a raised cosine, whose sum with its mirror image is 1<<15 everywhere.
func fadeIn(n int) []int32 {
	fade := make([]int32, n)
	for i := range fade {
		fade[i] = int32(math.Round((0.5 - 0.5*math.Cos(math.Pi*(float64(i)+0.5)/float64(n))) * (1 << 15)))
	}
	return fade
}

// HalveRate returns the sound at half the sample rate, which halves its memory and removes its highest frequencies. Speech
// remains clear down to a rate of about 11,000.
func (s *Sound) HalveRate() *Sound {
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

// resample fills out by interpolation, which changes the pitch.
func (s *Sound) resample(out *Sound) {
	frames, want := s.Frames(), out.Frames()
	for i := range want {
		position := (float64(i)+0.5)*float64(frames)/float64(want) - 0.5
		position = min(max(position, 0), float64(frames-1))
		low := int(position)
		high, share := min(low+1, frames-1), position-float64(low)
		for c := range s.Channels {
			a, b := float64(s.Samples[low*s.Channels+c]), float64(s.Samples[high*s.Channels+c])
			out.Samples[i*s.Channels+c] = int16(math.Round(a + (b-a)*share))
		}
	}
}
