package feed

import (
	"context"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// Expectation is what to expect of a job that would be submitted now.
type Expectation struct {
	// Position is the number of jobs ahead in the queue; nil if unknown.
	Position *int
	// Seconds is the estimated number of seconds to its end; 0 if unknown.
	Seconds int
	// Waiting says what delays the job besides, such as a pause; nil if nothing does. There is no estimate then.
	Waiting *job.Waiting
}

// Expect returns what to expect of a job of a kind and lane. What cannot be read within two seconds is unknown. It costs one request, and as
// much as the estimate of a job if that has not been read within the last second.
func (f *Feed) Expect(ctx context.Context, kind job.Kind, of job.Lane) Expectation {
	ctx, cancel := context.WithTimeout(ctx, estimateTimeout)
	defer cancel()
	x := Expectation{Waiting: f.control.View().Waiting(kind, job.StatusQueued, nil, time.Now())}
	waiting, _, err := f.estimate.queue.Depth(ctx, kind, of)
	if err != nil {
		return x
	}
	x.Position = &waiting
	if x.Waiting == nil {
		x.Seconds = whole(f.estimate.forecast(ctx, kind).queued(lane{kind, of}, waiting))
	}
	return x
}
