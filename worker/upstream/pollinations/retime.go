package pollinations

import (
	"context"
	"errors"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream"
	"github.com/text2image-audio/text2image-audio/worker/upstream/timestretch"
)

// timeable refuses a speed that cannot be made: nothing here can take compressed sound apart and put it together again.
func timeable(r SpeechRequest) error {
	switch {
	case !(r.Speed >= timestretch.MinSpeed && r.Speed <= timestretch.MaxSpeed):
		return refused(job.UpstreamSpeech, "speed is out of bounds")
	case r.Format != "wav" && r.Format != "pcm":
		return refused(job.UpstreamSpeech, "speed can be changed in the formats wav and pcm only")
	}
	return nil
}

// leastRate is the lowest number of samples in a second that a recording is brought down to.
const leastRate = 11_000

// retime gives a recording another speed, and the format that was wanted. One that would become longer than accepted
// keeps its length and loses its highest tones: it is paid for. It holds two of the original, its samples and the result
// at a time, and waits until the client's budget has room for that.
func (c *Client) retime(ctx context.Context, m *Media, speed float64, format string) error {
	hold := c.budget.Hold()
	defer hold.Release()
	size := float64(len(m.Data))
	result := min(size/speed, float64(c.maxSpeechBytes))
	if err := hold.Grow(ctx, int64(result+max(size, result))); err != nil {
		return gaveUp(ctx, err)
	}
	sound, err := timestretch.ParseWAV(m.Data)
	if err != nil {
		return unusable("recording is not of a kind whose speed can be changed")
	}
	for m.Data = nil; size/speed > float64(c.maxSpeechBytes); size /= 2 {
		if sound.Rate/2 < leastRate {
			return &fault.Error{
				Upstream: job.UpstreamSpeech, Class: fault.Permanent, Code: job.CodeTooLarge,
				Err: errors.New("recording would become longer than accepted"),
			}
		}
		sound = sound.HalveRate()
	}
	if sound, err = sound.Stretch(ctx, speed); err != nil {
		return gaveUp(ctx, err)
	}
	if format == "pcm" {
		m.ContentType, m.Data, m.SampleRate, m.Channels = "audio/pcm", sound.PCM(), sound.Rate, sound.Channels
		return nil
	}
	m.ContentType, m.Data = "audio/wav", sound.WAV()
	return nil
}

// unwrap makes bare samples of a WAV file, whose header says at which rate they are to be played. What is none, or of
// another kind, stays as it is: its content type says so.
func unwrap(m *Media) {
	if samples, rate, channels, err := timestretch.RawPCM(m.Data); err == nil {
		m.ContentType, m.Data, m.SampleRate, m.Channels = "audio/pcm", samples, rate, channels
	}
}

// unusable is upstream.UnusableAnswer for what is found out after the exchange.
func unusable(reason string) *fault.Error {
	f := upstream.UnusableAnswer(reason)
	f.Upstream = job.UpstreamSpeech
	return f
}

// gaveUp returns the fault of work that ended with its context.
func gaveUp(ctx context.Context, err error) *fault.Error {
	f := &fault.Error{Class: fault.Retryable, Code: job.CodeTimeout, Err: err}
	if errors.Is(ctx.Err(), context.Canceled) {
		f = fault.NewCanceled(ctx)
	}
	f.Upstream = job.UpstreamSpeech
	return f
}
