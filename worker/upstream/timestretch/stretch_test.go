package timestretch_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/text2image-audio/text2image-audio/worker/upstream/timestretch"
)

// tone returns a sine in each channel, at the given pitches, with a length in seconds.
func tone(rate int, length float64, pitches ...float64) *timestretch.Sound {
	s := &timestretch.Sound{Rate: rate, Channels: len(pitches)}
	for i := range int(float64(rate) * length) {
		for _, pitch := range pitches {
			s.Samples = append(s.Samples, int16(12000*math.Sin(2*math.Pi*pitch*float64(i)/float64(rate))))
		}
	}
	return s
}

// pitch returns the pitch of a channel, measured by its rising zero crossings.
func pitch(s *timestretch.Sound, channel int) float64 {
	first, last, count := -1.0, 0.0, 0
	for i := 1; i < s.Frames(); i++ {
		a, b := float64(s.Samples[(i-1)*s.Channels+channel]), float64(s.Samples[i*s.Channels+channel])
		if a < 0 && b >= 0 {
			at := float64(i) - b/(b-a)
			if first < 0 {
				first = at
			} else {
				count++
			}
			last = at
		}
	}
	return float64(count) * float64(s.Rate) / (last - first)
}

var speeds = []float64{0.25, 0.5, 0.8, 0.99, 1, 1.01, 1.25, 1.5, 2, 3, 4}

func TestStretchKeepsThePitch(t *testing.T) {
	t.Parallel()
	for _, rate := range []int{8000, 16000, 22050, 24000, 44100, 48000} {
		for _, high := range []float64{80, 220, 440, 1000, 3000} {
			for _, speed := range speeds {
				in := tone(rate, 2, high)
				out, err := in.Stretch(t.Context(), speed)
				if err != nil {
					t.Fatal(err)
				}
				name := fmt.Sprintf("%.0f Hz at %d frames a second, speed %.2f", high, rate, speed)
				if ratio := float64(out.Frames()) * speed / float64(in.Frames()); math.Abs(ratio-1) > 0.001 {
					t.Errorf("%s: length is %.3f of the expected one", name, ratio)
				}
				if got := pitch(out, 0); math.Abs(got/high-1) > 0.02 {
					t.Errorf("%s: pitch is %.1f", name, got)
				}
				if low := quietest(out, rate/20); low < 5000 {
					t.Errorf("%s: minimum loudness is %.0f", name, low)
				}
			}
		}
	}
}

// quietest returns the minimum loudness of blocks of n frames, without the last one. A sine of 12000 has 8485.
func quietest(s *timestretch.Sound, n int) float64 {
	least := math.Inf(1)
	for i := 0; i+2*n <= s.Frames(); i += n {
		sum := 0.0
		for _, sample := range s.Samples[i*s.Channels : (i+n)*s.Channels] {
			sum += float64(sample) * float64(sample)
		}
		least = min(least, math.Sqrt(sum/float64(n*s.Channels)))
	}
	return least
}

// Both channels keep their pitch and their time.
func TestStretchStereo(t *testing.T) {
	t.Parallel()
	in := tone(24000, 2, 200, 400)
	for _, speed := range speeds {
		out, err := in.Stretch(t.Context(), speed)
		if err != nil || out.Channels != 2 || math.Abs(float64(out.Frames())*speed/float64(in.Frames())-1) > 0.001 {
			t.Fatalf("speed %v: %d channels, %d frames, %v", speed, out.Channels, out.Frames(), err)
		}
		if left, right := pitch(out, 0), pitch(out, 1); math.Abs(left/200-1) > 0.02 || math.Abs(right/400-1) > 0.02 {
			t.Errorf("speed %v: pitches %.1f and %.1f", speed, left, right)
		}
	}
}

// A sound in the middle of the original is in the middle of the result.
func TestStretchKeepsTheOrder(t *testing.T) {
	t.Parallel()
	const rate = 16000
	for _, speed := range speeds {
		in := &timestretch.Sound{Rate: rate, Channels: 1, Samples: make([]int16, 3*rate)}
		for i := rate; i < 2*rate; i++ {
			in.Samples[i] = int16(10000 * math.Sin(2*math.Pi*300*float64(i)/rate))
		}
		out, err := in.Stretch(t.Context(), speed)
		if err != nil {
			t.Fatal(err)
		}
		first, last := -1, 0
		for i, sample := range out.Samples {
			if sample > 1000 || sample < -1000 {
				if first < 0 {
					first = i
				}
				last = i
			}
		}
		// A window may be 12 ms from its nominal position, and lasts 15 ms longer.
		tolerance := max(0.03/speed, 0.04)
		begin, end := float64(first)/rate, float64(last)/rate
		if math.Abs(begin-1/speed) > tolerance || math.Abs(end-2/speed) > tolerance {
			t.Errorf("speed %v: sound from %.3f to %.3f s, want %.3f to %.3f", speed, begin, end, 1/speed, 2/speed)
		}
	}
}

func TestStretchSilenceAndShort(t *testing.T) {
	t.Parallel()
	for _, channels := range []int{1, 2} {
		for _, frames := range []int{0, 1, 2, 3, 7, 100, 479, 480, 481, 959, 960, 961, 1439, 1440, 1441, 5000, 24001} {
			for _, speed := range speeds {
				in := &timestretch.Sound{Rate: 24000, Channels: channels, Samples: make([]int16, frames*channels)}
				out, err := in.Stretch(t.Context(), speed)
				if err != nil {
					t.Fatal(err)
				}
				want := max(int(math.Round(float64(frames)/speed)), min(frames, 1))
				if out.Frames() != want || out.Rate != 24000 || out.Channels != channels {
					t.Errorf("%d frames at %v: %d, want %d", frames, speed, out.Frames(), want)
				}
				for _, sample := range out.Samples {
					if sample != 0 {
						t.Fatalf("%d frames at %v: silence became sound", frames, speed)
					}
				}
			}
		}
	}
}

// The loudest samples do not overflow.
func TestStretchLoud(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	in := &timestretch.Sound{Rate: 8000, Channels: 1, Samples: make([]int16, 8000)}
	for i := range in.Samples {
		in.Samples[i] = int16(32767 - random.IntN(2)*65535)
	}
	steady := &timestretch.Sound{Rate: 8000, Channels: 2, Samples: make([]int16, 8000)}
	for i := range steady.Samples {
		steady.Samples[i] = -32768
	}
	for _, speed := range speeds {
		if _, err := in.Stretch(t.Context(), speed); err != nil {
			t.Fatal(err)
		}
		out, err := steady.Stretch(t.Context(), speed)
		if err != nil {
			t.Fatal(err)
		}
		for i, sample := range out.Samples {
			if sample != -32768 {
				t.Fatalf("speed %v: sample %d is %d", speed, i, sample)
			}
		}
	}
}

func TestStretchErrors(t *testing.T) {
	t.Parallel()
	in := tone(8000, 1, 440)
	for _, speed := range []float64{0, -1, 0.2499, 4.0001, math.Inf(1), math.NaN()} {
		if out, err := in.Stretch(t.Context(), speed); err == nil {
			t.Errorf("speed %v gave %d frames", speed, out.Frames())
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := in.Stretch(ctx, 2); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

func TestHalveRate(t *testing.T) {
	t.Parallel()
	for _, length := range []float64{0, 1, 1.00001} {
		in := tone(48000, length, 440, 1000)
		out := in.HalveRate()
		if out.Rate != 24000 || out.Channels != 2 || out.Frames() != in.Frames()/2 {
			t.Errorf("%v seconds: %d frames at a rate of %d", length, out.Frames(), out.Rate)
		}
		if length == 0 {
			continue
		}
		for channel, high := range []float64{440, 1000} {
			if got := pitch(out, channel); math.Abs(got/high-1) > 0.01 {
				t.Errorf("channel %d: pitch is %.1f", channel, got)
			}
		}
	}
	if out := (&timestretch.Sound{Rate: 8000, Channels: 1, Samples: []int16{-32768, -32768, 32767, 32767}}).HalveRate(); out.Samples[0] != -32768 {
		t.Errorf("loud samples become %v", out.Samples)
	}
}
