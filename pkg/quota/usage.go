package quota

import (
	"context"
	"strconv"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// Usage is what somebody has taken of one window of a quota.
type Usage struct {
	// Window is broker.UsageMinute or broker.UsageDay.
	Window string
	Limit  int
	Used   int
	// Length is how long the window is, and Ends when the next one begins.
	Length time.Duration
	Ends   time.Time
	// bucket names this window among those of its sort.
	bucket string
}

// Remaining returns how much is left, never less than nothing.
func (u Usage) Remaining() int { return min(max(0, u.Limit-u.Used), u.Limit) }

// Wait returns the whole seconds until the window ends, one at the least.
func (u Usage) Wait(now time.Time) int {
	return int(max(1, (u.Ends.Sub(now)+time.Second-1)/time.Second))
}

// windows returns those windows that are limited, the minute first, as nothing has been taken of them yet.
func (l Limits) windows(now time.Time) []Usage {
	var list []Usage
	now = now.UTC()
	if l.PerMinute > 0 {
		start := now.Truncate(time.Minute)
		list = append(list, Usage{
			Window: broker.UsageMinute, Limit: l.PerMinute, Length: time.Minute, Ends: start.Add(time.Minute),
			bucket: strconv.FormatInt(start.Unix()/60, 10),
		})
	}
	if l.PerDay > 0 {
		const day = 24 * time.Hour
		list = append(list, Usage{
			Window: broker.UsageDay, Limit: l.PerDay, Length: day, Ends: now.Truncate(day).Add(day), bucket: job.DayOf(now),
		})
	}
	return list
}

func (u Usage) subject(who string) string { return broker.UsageSubject(u.Window, who, u.bucket) }

// Usage returns what somebody has taken of each window that is limited. It fails with ErrUnavailable and costs one request
// for each window.
func (q *Quota) Usage(ctx context.Context, lane job.Lane, who string) ([]Usage, error) {
	list := q.limits(lane).windows(q.now())
	for i := range list {
		used, err := q.value(ctx, list[i].Window, list[i].subject(who))
		if err != nil {
			return nil, err
		}
		list[i].Used = int(used)
	}
	return list, nil
}
