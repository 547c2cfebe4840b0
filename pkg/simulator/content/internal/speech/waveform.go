package speech

import "math"

// speaker is a synthetic voice: a pitch and the length of the vocal tract.
type speaker struct {
	pitch float64 // fundamental frequency in hertz
	tract float64 // factor for every formant; shorter tracts sound higher
}

// speakers lists the voices in the order of the embedded frames: low, middle,
// high.
func speakers() []speaker {
	return []speaker{{pitch: 108, tract: 1}, {pitch: 168, tract: 1.1}, {pitch: 214, tract: 1.18}}
}

// syllable is a consonant followed by a vowel: the noise of the onset, the
// formants of the vowel and the change of the pitch.
type syllable struct {
	onset    float64    // share of the onset in the syllable
	noise    float64    // strength of the noise in the onset
	hiss     float64    // center frequency of the noise in hertz
	voiced   float64    // strength of the voice during the onset
	from, to [3]float64 // formants at the onset and in the vowel
	bend     float64    // pitch at the end relative to the start
}

// syllables lists the syllables in the order of the embedded frames.
func syllables() []syllable {
	a, e, i, o, u := [3]float64{730, 1190, 2440}, [3]float64{530, 1840, 2480}, [3]float64{300, 2250, 2950}, [3]float64{520, 920, 2400}, [3]float64{330, 870, 2250}
	nasal, lateral := [3]float64{260, 1100, 2300}, [3]float64{340, 1250, 2700}
	front, back, lips := [3]float64{280, 1900, 2700}, [3]float64{300, 1500, 2000}, [3]float64{250, 800, 2200}
	return []syllable{
		{onset: .30, voiced: .7, from: nasal, to: a, bend: .96},                       // ma
		{onset: .28, voiced: .7, from: nasal, to: i, bend: 1.05},                      // ni
		{onset: .25, voiced: .8, from: lateral, to: e, bend: .92},                     // le
		{onset: .25, voiced: .8, from: lateral, to: u, bend: 1.0},                     // lu
		{onset: .32, noise: .50, hiss: 6200, from: front, to: i, bend: .94},           // si
		{onset: .34, noise: .60, hiss: 3200, from: front, to: e, bend: 1.06},          // she
		{onset: .16, noise: .70, hiss: 4200, from: front, to: a, bend: .95},           // ta
		{onset: .18, noise: .60, hiss: 2000, from: back, to: o, bend: 1.03},           // ko
		{onset: .16, noise: .15, hiss: 900, voiced: .5, from: lips, to: a, bend: .93}, // ba
		{onset: .16, noise: .20, hiss: 3500, voiced: .5, from: front, to: o, bend: 1}, // do
		{onset: .18, noise: .18, hiss: 1800, voiced: .5, from: back, to: u, bend: .9}, // gu
		{onset: .28, noise: .30, hiss: 1500, from: a, to: a, bend: 1.08},              // ha
		{onset: .30, voiced: .9, from: u, to: e, bend: .97},                           // we
		{onset: .30, voiced: .9, from: i, to: o, bend: 1.02},                          // yo
	}
}

// resonator is a two-pole band-pass filter, one formant of the vocal tract.
type resonator struct{ y1, y2 float64 }

func (r *resonator) filter(x, frequency, bandwidth, rate float64) float64 {
	c := -math.Exp(-2 * math.Pi * bandwidth / rate)
	b := 2 * math.Exp(-math.Pi*bandwidth/rate) * math.Cos(2*math.Pi*frequency/rate)
	y := (1-b-c)*x + b*r.y1 + c*r.y2
	r.y1, r.y2 = y, r.y1
	return y
}

// render synthesizes the syllable as n samples at the given rate. It starts and
// ends in silence, so that syllables can be joined without a click.
func (s syllable) render(v speaker, rate float64, n int) []int16 {
	var (
		throat  [3]resonator
		hiss    resonator
		phase   float64
		glottis float64
		noise   = uint32(22222)
		raw     = make([]float64, n)
		peak    = 1e-9
		energy  = 1e-9
	)
	for k := range raw {
		t := float64(k) / float64(n)
		glide := smoothstep((t - s.onset*0.5) / (s.onset + 0.15))
		vowel := smoothstep((t - s.onset*0.8) / 0.08)
		phase += v.pitch * (1 + (s.bend-1)*t) / rate
		pulse := 0.0
		if phase >= 1 {
			phase--
			pulse = rate / v.pitch
		}
		glottis = 0.93*glottis + 0.07*pulse
		noise = noise*1664525 + 1013904223
		breath := float64(int32(noise)) / math.MaxInt32 //nolint:gosec // The overflow makes it noise.
		x := glottis * (s.voiced + (1-s.voiced)*vowel)
		y := x
		for f := range throat {
			frequency := (s.from[f] + (s.to[f]-s.from[f])*glide) * v.tract
			y = throat[f].filter(y, math.Min(frequency, rate*0.45), 70+40*float64(f), rate)
		}
		burst := (1 - vowel) * s.noise
		y += 3 * burst * hiss.filter(breath, math.Min(math.Max(s.hiss, 500)*v.tract, rate*0.45), 1400, rate)
		raw[k] = y * smoothstep(t/0.10) * smoothstep((1-t)/0.22)
		peak = math.Max(peak, math.Abs(raw[k]))
		energy += raw[k] * raw[k] / float64(n)
	}
	// Equal loudness, unless that would clip a peaky sound.
	gain := math.Min(3600/math.Sqrt(energy), 24000/peak)
	out := make([]int16, n)
	for k, y := range raw {
		out[k] = int16(y * gain)
	}
	return out
}

// smoothstep eases from 0 to 1 while x goes from 0 to 1.
func smoothstep(x float64) float64 {
	x = math.Max(0, math.Min(1, x))
	return x * x * (3 - 2*x)
}
