package jobs

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/catalogue"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// Config holds the settings of submissions.
type Config struct {
	MaxAttempts int    `env:"FETCH_RETRY_MAX" envDefault:"8" alias:"RETRY_MAX_ATTEMPTS" doc:"Attempts per job, including the first."`
	AudioModel  string `env:"DEFAULT_AUDIO_MODEL" doc:"Speech model for requests that do not name one; the built-in default if empty."`
	Voice       string `env:"DEFAULT_AUDIO_VOICE" envDefault:"nova" doc:"Voice for requests that do not name one."`

	// The limits are approximate: several processes may each accept a job at the same moment.
	MaxActiveGuest  int `env:"MAX_ACTIVE_JOBS_GUEST" envDefault:"4" doc:"Jobs of one guest, identified by its cookie, that may be queued or running at once; 0 means no limit."`
	MaxActiveMember int `env:"MAX_ACTIVE_JOBS_MEMBER" envDefault:"20" doc:"Jobs of one member that may be queued or running at once; 0 means no limit."`
	MaxActiveBatch  int `env:"MAX_ACTIVE_BATCH_JOBS" envDefault:"1000" doc:"Jobs of batches of one guest or member that may be queued or running at once. They do not count as other jobs; 0 means no limit."`

	Budget BudgetConfig
}

// Validate reports every fault at once, each as a *env.Fault. Models and voices are checked against the built-in catalogue.
func (c *Config) Validate() error {
	var errs []error
	fault := func(name, expected string) { errs = append(errs, &env.Fault{Name: name, Expected: expected}) }
	if c.MaxAttempts < 1 {
		fault("FETCH_RETRY_MAX", "a whole number of at least 1")
	}
	if c.MaxActiveGuest < 0 {
		fault("MAX_ACTIVE_JOBS_GUEST", "a whole number, 0 for no limit")
	}
	if c.MaxActiveMember < 0 {
		fault("MAX_ACTIVE_JOBS_MEMBER", "a whole number, 0 for no limit")
	}
	if c.MaxActiveBatch < 0 {
		fault("MAX_ACTIVE_BATCH_JOBS", "a whole number, 0 for no limit")
	}
	_, faults := c.Budget.limits()
	errs = append(errs, faults...)
	if strings.TrimSpace(c.Voice) == "" {
		fault("DEFAULT_AUDIO_VOICE", "the name of a voice")
	} else if _, err := c.defaults(catalogue.Builtin(), slog.New(slog.DiscardHandler)); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// maxActive returns how many jobs of an owner may be queued or running at once; 0 means no limit. Anonymous callers share an
// owner and have no limit, since one of them could use it up for all others.
func (c *Config) maxActive(owner string, lane job.Lane) int {
	switch {
	case owner == job.OwnerAnonymous:
		return 0
	case lane == job.LaneMember:
		return c.MaxActiveMember
	}
	return c.MaxActiveGuest
}

// defaults returns the defaults that complete requests. It fails with a *env.Fault when the catalogue lacks a model or voice,
// and logs a warning when the speech model is retired.
func (c *Config) defaults(models *job.Catalogue, log *slog.Logger) (job.Defaults, error) {
	name := c.AudioModel
	if name == "" {
		name = catalogue.DefaultSpeechModel
	}
	model, known := models.SpeechModel(name)
	if known && model.ReplacedBy != "" {
		log.WarnContext(context.Background(), "the default speech model is retired",
			slog.String("model", model.Name), slog.String("replacement", model.ReplacedBy))
		model, known = models.SpeechModel(model.ReplacedBy)
	}
	if !known {
		return job.Defaults{}, &env.Fault{Name: "DEFAULT_AUDIO_MODEL", Expected: "a speech model of the catalogue"}
	}
	voice, ok := model.Voice(c.Voice)
	if !ok && !slices.ContainsFunc(models.Speech, func(m job.Model) bool { _, ok := m.Voice(c.Voice); return ok }) {
		return job.Defaults{}, &env.Fault{Name: "DEFAULT_AUDIO_VOICE", Expected: "a voice of the catalogue"}
	}
	if !ok && len(model.Voices) > 0 {
		voice = model.Voices[0]
	}
	return job.Defaults{
		ImageModel: catalogue.DefaultImageModel,
		AudioModel: model.Name,
		Voice:      voice,
		Seed:       func() int64 { return rand.Int64N(job.MaxSeed + 1) }, //nolint:gosec // A seed is no secret.
	}, nil
}
