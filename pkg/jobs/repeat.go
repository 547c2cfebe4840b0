package jobs

import (
	"context"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// repeatedAmong is how many of the newest jobs of a kind FindRepeated considers.
const repeatedAmong = 50

// FindRepeated returns the newest job that the caller has submitted since a time with the same request as an order, and for which accept
// returns true; nil if there is none. It is for clients that repeat requests without a key. It costs as much as List.
func (s *Submitter) FindRepeated(ctx context.Context, caller Caller, o *Order, since time.Time, accept func(*job.Spec) bool) (*job.Snapshot, error) {
	page, err := s.jobs.List(ctx, []string{caller.Owner}, Filter{Kinds: []job.Kind{o.Kind}, Limit: repeatedAmong})
	if err != nil {
		return nil, err
	}
	for _, snap := range page.Jobs {
		if spec := snap.Spec; spec.Fingerprint == o.fingerprint && spec.CreatedAt.After(since) && accept(spec) {
			return snap, nil
		}
	}
	return nil, nil
}
