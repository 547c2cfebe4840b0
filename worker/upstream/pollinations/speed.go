package pollinations

import (
	"context"
	"errors"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream"
	"github.com/text2image-audio/text2image-audio/worker/upstream/timestretch"
)

// checkSpeed rejects a speed out of range, and compressed formats, which are never decoded.
func checkSpeed(r SpeechRequest) error {
	switch {
	case !(r.Speed >= timestretch.MinSpeed && r.Speed <= timestretch.MaxSpeed):
		return upstream.Rejected(job.UpstreamSpeech, "speed is out of range")
	case r.Format != "wav" && r.Format != "pcm":
		return upstream.Rejected(job.UpstreamSpeech, "speed can be changed in the formats wav and pcm only")
	}
	return nil
}

// minRate is the lowest sample rate to which audio is reduced.
const minRate = 11_000

// changeSpeed changes the speed of audio and converts it to the format. To keep the result, which has been billed, within
// the size limit, it reduces the sample rate. It uses memory for two of the original, its samples and the result at a
// time, for which it waits for the budget.
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
		return unusableSpeech("audio is not in a format whose speed can be changed")
	}
	for m.Data = nil; size/speed > float64(c.maxSpeechBytes); size /= 2 {
		if sound.Rate/2 < minRate {
			return &fault.Error{
				Upstream: job.UpstreamSpeech, Class: fault.Permanent, Code: job.CodeTooLarge,
				Err: errors.New("audio at this speed would exceed the size limit"),
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

// unwrapPCM replaces a WAV file with its raw samples. Any other data is left unchanged, with its content type.
func unwrapPCM(m *Media) {
	if samples, rate, channels, err := timestretch.RawPCM(m.Data); err == nil {
		m.ContentType, m.Data, m.SampleRate, m.Channels = "audio/pcm", samples, rate, channels
	}
}

// unusableSpeech is upstream.UnusableResponse for an error that is found after the call.
func unusableSpeech(reason string) *fault.Error {
	f := upstream.UnusableResponse(reason)
	f.Upstream = job.UpstreamSpeech
	return f
}

// contextError returns the error of work that its context ended.
func contextError(ctx context.Context, err error) *fault.Error {
	f := &fault.Error{Class: fault.Retryable, Code: job.CodeTimeout, Err: err}
	if errors.Is(ctx.Err(), context.Canceled) {
		f = fault.NewCanceled(ctx)
	}
	f.Upstream = job.UpstreamSpeech
	return f
}
