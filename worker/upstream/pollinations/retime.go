package pollinations

import (
	"context"
	"errors"

	"github.com/text2image-audio/text2image-audio/worker/upstream"
	"github.com/text2image-audio/text2image-audio/worker/upstream/tempo"
)

// timeable refuses a speed that cannot be made: nothing here can take compressed sound apart and put it together again.
func timeable(r SpeechRequest) error {
	switch {
	case !(r.Speed >= tempo.MinSpeed && r.Speed <= tempo.MaxSpeed):
		return refused(upstream.PollinationsSpeech, "speed is out of bounds")
	case r.Format != "wav" && r.Format != "pcm":
		return refused(upstream.PollinationsSpeech, "speed can be changed in the formats wav and pcm only")
	}
	return nil
}

// retime gives a recording another speed, and the format that was wanted. Bare samples keep the rate of the file that
// they were taken from.
func (c *Client) retime(ctx context.Context, m *Media, speed float64, format string) error {
	sound, err := tempo.ParseWAV(m.Data)
	if err != nil {
		return unusable("recording is not of a kind whose speed can be changed")
	}
	if float64(len(m.Data))/speed > float64(c.maxBytes) {
		return &upstream.Fault{
			Upstream: upstream.PollinationsSpeech, Class: upstream.Permanent, Code: upstream.CodeTooLarge,
			Err: errors.New("recording would become longer than accepted"),
		}
	}
	if sound, err = sound.Stretch(ctx, speed); err != nil {
		return gaveUp(ctx, err)
	}
	if format == "pcm" {
		m.ContentType, m.Data = "audio/pcm", sound.PCM()
		return nil
	}
	m.ContentType, m.Data = "audio/wav", sound.WAV()
	return nil
}

// unusable is upstream.UnusableAnswer for what is found out after the exchange.
func unusable(reason string) *upstream.Fault {
	f := upstream.UnusableAnswer(reason)
	f.Upstream = upstream.PollinationsSpeech
	return f
}

// gaveUp returns the fault of work that ended with its context.
func gaveUp(ctx context.Context, err error) *upstream.Fault {
	f := &upstream.Fault{
		Upstream: upstream.PollinationsSpeech, Class: upstream.Retryable, Code: upstream.CodeTimeout, Err: err,
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		f.Class, f.Code, f.Err = upstream.Canceled, upstream.CodeCanceled, context.Cause(ctx)
	}
	return f
}
