package control

import (
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// Pause is a pause of a kind of job by an operator.
type Pause struct {
	V     int      `json:"v"`
	Kind  job.Kind `json:"kind"`
	Until job.Time `json:"until"`
	Since job.Time `json:"since"`
	// Note is the reason that the operator gave.
	Note string `json:"note,omitempty"`
}

// Active reports whether the kind is paused at the given time.
func (p Pause) Active(now time.Time) bool { return p.Kind != "" && now.Before(p.Until.Time) }

func (p *Pause) check() error {
	return checkState(p.V, p.Kind != "")
}
