package pollinations

import (
	"context"
	"errors"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream"
	"github.com/text2image-audio/text2image-audio/worker/upstream/timestretch"
)

// checkSpeed refuses a speed that cannot be made: nothing here can take compressed sound apart and put it together again.
func checkSpeed(r SpeechRequest) error {
	switch {
	case !(r.Speed >= timestretch.MinSpeed && r.Speed <= timestretch.MaxSpeed):
		return rejected(job.UpstreamSpeech, "speed is out of bounds")
	case r.Format != "wav" && r.Format != "pcm":
		return rejected(job.UpstreamSpeech, "speed can be changed in the formats wav and pcm only")
	}
	return nil
}

// minRate is the lowest number of samples in a second that a recording is brought down to.
const minRate = 11_000

// changeSpeed gives a recording another speed, and the format that was wanted. One that would become longer than accepted
// keeps its length and loses its highest tones: it is paid for. It holds two of the original, its samples and the result
// at a time, and waits until the client's budget has room for that.
func (c *Client) changeSpeed(ctx context.Context, m *Media, speed float64, format string) error {
	hold := c.budget.NewReservation()
	defer hold.Release()
	size := float64(len(m.Data))
	result := min(size/speed, float64(c.maxSpeechBytes))
	if err := hold.Grow(ctx, int64(result+max(size, result))); err != nil {
		return contextError(ctx, err)
	}
	sound, err := timestretch.ParseWAV(m.Data)
	if err != nil {
		return unusableSpeech("recording is not of a kind whose speed can be changed")
	}
	for m.Data = nil; size/speed > float64(c.maxSpeechBytes); size /= 2 {
		if sound.Rate/2 < minRate {
			return &fault.Error{
				Upstream: job.UpstreamSpeech, Class: fault.Permanent, Code: job.CodeTooLarge,
				Err: errors.New("recording would become longer than accepted"),
			}
		}
		sound = sound.HalveRate()
	}
	if sound, err = sound.Stretch(ctx, speed); err != nil {
		return contextError(ctx, err)
	}
	if format == "pcm" {
		m.ContentType, m.Data, m.SampleRate, m.Channels = "audio/pcm", sound.PCM(), sound.Rate, sound.Channels
		return nil
	}
	m.ContentType, m.Data = "audio/wav", sound.WAV()
	return nil
}

// unwrapPCM makes raw PCM samples of a WAV file, whose header says at which rate they are to be played. What is none, or of
// another kind, stays as it is: its content type says so.
func unwrapPCM(m *Media) {
	if samples, rate, channels, err := timestretch.RawPCM(m.Data); err == nil {
		m.ContentType, m.Data, m.SampleRate, m.Channels = "audio/pcm", samples, rate, channels
	}
}

// unusableSpeech is upstream.UnusableResponse for what is found out after the exchange.
func unusableSpeech(reason string) *fault.Error {
	f := upstream.UnusableResponse(reason)
	f.Upstream = job.UpstreamSpeech
	return f
}

// contextError returns the error of work that ended with its context.
func contextError(ctx context.Context, err error) *fault.Error {
	f := &fault.Error{Class: fault.Retryable, Code: job.CodeTimeout, Err: err}
	if errors.Is(ctx.Err(), context.Canceled) {
		f = fault.NewCanceled(ctx)
	}
	f.Upstream = job.UpstreamSpeech
	return f
}
