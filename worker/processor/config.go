package processor

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/internal/hooks"
)

// Config has the settings of a Processor: slots, retry delays and time-outs.
type Config struct {
	SlotsImage int `env:"WORKER_SLOTS_IMAGE" envDefault:"8" doc:"Image jobs that one worker process runs at once."`
	SlotsAudio int `env:"WORKER_SLOTS_AUDIO" envDefault:"8" doc:"Speech jobs that one worker process runs at once."`
	SlotsText  int `env:"WORKER_SLOTS_TEXT" envDefault:"16" doc:"Prompt and translation jobs that one worker process runs at once."`

	RetryInitialDelay time.Duration `env:"FETCH_RETRY_INITIAL_DELAY_MS" alias:"RETRY_INITIAL_DELAY_MS" envDefault:"1500" doc:"Delay before the second attempt of a job, in milliseconds; it doubles with each further attempt."`
	RetryMaxDelay     time.Duration `env:"FETCH_RETRY_MAX_DELAY_MS" envDefault:"60000" doc:"Longest backoff between two attempts, in milliseconds, before a jitter of ±30 %; a Retry-After from the upstream may be longer."`

	ImageTimeout time.Duration `env:"IMAGE_TIMEOUT" envDefault:"180s" doc:"Longest duration of one attempt of an image job."`
	AudioTimeout time.Duration `env:"AUDIO_TIMEOUT" envDefault:"120s" doc:"Longest duration of one attempt of a speech job."`
	TextTimeout  time.Duration `env:"TEXT_TIMEOUT" envDefault:"120s" doc:"Longest duration of one attempt of a prompt or translation job."`

	// SoftStop is how long Stop waits for running attempts before it returns their jobs to the queue.
	SoftStop time.Duration `env:"WORKER_SOFT_STOP" envDefault:"20s" doc:"How long a shutdown waits for running attempts before it returns their jobs to the queue."`

	hooks hooks.Processor
}

// SetHooks lets tests change what is no setting.
func (c *Config) SetHooks(set func(*hooks.Processor)) { set(&c.hooks) }

// Validate returns all errors at once, each with the name of its variable.
func (c Config) Validate() error {
	var errs []error
	for name, n := range map[string]int{
		"WORKER_SLOTS_IMAGE": c.SlotsImage, "WORKER_SLOTS_AUDIO": c.SlotsAudio, "WORKER_SLOTS_TEXT": c.SlotsText,
	} {
		if n < 0 || n > maxSlots {
			errs = append(errs, fmt.Errorf("%s must be between 0 and %d, not %d", name, maxSlots, n))
		}
	}
	for name, d := range map[string]time.Duration{
		"FETCH_RETRY_INITIAL_DELAY_MS": c.RetryInitialDelay, "FETCH_RETRY_MAX_DELAY_MS": c.RetryMaxDelay,
		"IMAGE_TIMEOUT": c.ImageTimeout, "AUDIO_TIMEOUT": c.AudioTimeout, "TEXT_TIMEOUT": c.TextTimeout,
	} {
		if d <= 0 {
			errs = append(errs, fmt.Errorf("%s must be above zero", name))
		}
	}
	if c.SoftStop < 0 {
		errs = append(errs, errors.New("WORKER_SOFT_STOP must not be negative"))
	}
	return errors.Join(errs...)
}

const maxSlots = 1024

// writeTimeout returns the time after which a write of the given size is repeated. It is shorter than settleTimeout
// because a reply that was lost with its connection never arrives.
func (c Config) writeTimeout(bytes int) time.Duration {
	return cmp.Or(c.hooks.WriteTimeout, defaultWriteTimeout) + time.Duration(bytes>>20)*time.Second
}

const defaultWriteTimeout = 8 * time.Second

// settleTimeout returns how long each step of a settlement is retried while NATS is unavailable.
func (c Config) settleTimeout() time.Duration {
	return cmp.Or(c.hooks.SettleTimeout, settleTimeout)
}

// timeout returns the longest duration of one attempt.
func (c Config) timeout(kind job.Kind) time.Duration {
	switch kind {
	case job.KindImage:
		return c.ImageTimeout
	case job.KindAudio:
		return c.AudioTimeout
	case job.KindPrompt, job.KindTranslation:
	}
	return c.TextTimeout
}

// slots returns the number of slots by kind.
func (c Config) slots() map[job.Kind]int {
	return map[job.Kind]int{
		job.KindImage: c.SlotsImage, job.KindAudio: c.SlotsAudio, job.KindPrompt: c.SlotsText, job.KindTranslation: c.SlotsText,
	}
}
