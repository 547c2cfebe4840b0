package quota

import (
	"context"
	"strconv"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// The windows of a quota.
const (
	WindowMinute = broker.UsageMinute
	WindowDay    = broker.UsageDay
	// WindowAddress is the daily window of all guests and members at one client address.
	WindowAddress = "address"
	// WindowKeyMinute and WindowKeyDay are the windows of an API key.
	WindowKeyMinute = "key-minute"
	WindowKeyDay    = "key-day"
)

// Usage is the usage of one window of a quota.
type Usage struct {
	Group Group
	// Window is one of the constants.
	Window string
	Limit  int
	Used   int
	Length time.Duration
	Ends   time.Time // when the next window begins

	// Budget is set for the window of a budget, whose limit and usage are amounts of money.
	Budget *Budget

	counter counter
	// units is what is to be charged.
	units int
}

// Policy returns the name of the window, which is unique across groups.
func (u Usage) Policy() string {
	if u.Group == GroupText && u.Budget == nil {
		return "text-" + u.Window
	}
	return u.Window
}

// Policies returns every name that Policy can return.
func Policies() []string {
	var names []string
	for _, group := range []Group{GroupMedia, GroupText} {
		for _, window := range []string{WindowMinute, WindowDay, WindowAddress, WindowKeyMinute, WindowKeyDay} {
			names = append(names, Usage{Group: group, Window: window}.Policy())
		}
	}
	return append(names, budgetWindows()...)
}

// Daily reports whether the window is a day, whose charges are refunded when a job fails, and not a minute.
func (u Usage) Daily() bool { return u.Length > time.Minute }

// OfKey reports whether the window is one of an API key.
func (u Usage) OfKey() bool { return u.Window == WindowKeyMinute || u.Window == WindowKeyDay }

// Remaining returns how many units remain, at least 0.
func (u Usage) Remaining() int { return min(max(0, u.Limit-u.Used), u.Limit) }

// Wait returns the whole seconds until the window ends, at least 1.
func (u Usage) Wait(now time.Time) int {
	return int(max(1, (u.Ends.Sub(now)+time.Second-1)/time.Second))
}

// fits reports whether the units can be charged without exceeding the limit.
func (u Usage) fits() bool { return u.Used+u.units <= u.Limit }

// windows returns the limited windows of a key, the minute first, with Used unset, to which units are to be charged.
func (q *Quota) windows(key Key, now time.Time, units int) []Usage {
	plan, limits := q.plan(key.Group), q.limits(key)
	now = now.UTC()
	const minutes, days = 2, 3
	list := make([]Usage, 0, minutes+days+len(key.Budgets))
	minute := func(window, name string, limit int) {
		if limit <= 0 {
			return
		}
		start := now.Truncate(time.Minute)
		bucket := strconv.FormatInt(start.Unix()/60, 10)
		list = append(list, Usage{
			Group: key.Group, Window: window, Limit: limit, Length: time.Minute, Ends: start.Add(time.Minute),
			counter: counterOf(broker.UsageMinute, name, bucket),
		})
	}
	day := func(window, name string, limit int) {
		if limit <= 0 {
			return
		}
		const length = 24 * time.Hour
		list = append(list, Usage{
			Group: key.Group, Window: window, Limit: limit, Length: length, Ends: now.Truncate(length).Add(length),
			counter: counterOf(broker.UsageDay, name, job.DayOf(now)),
		})
	}
	minute(WindowMinute, key.Owner, limits.PerMinute)
	day(WindowDay, key.Owner, limits.PerDay)
	day(WindowAddress, key.Address, plan.AddressPerDay)
	if key.APIKey != "" {
		minute(WindowKeyMinute, key.APIKey, key.APIKeyLimits.PerMinute)
		day(WindowKeyDay, key.APIKey, key.APIKeyLimits.PerDay)
	}
	for i := range list {
		list[i].units = units
	}
	return append(list, budgetUsages(key)...)
}

// Usage returns the usage of each limited window of the keys. It returns ErrUnavailable when a counter cannot be reached. It
// costs one request per window, sent concurrently.
func (q *Quota) Usage(ctx context.Context, keys ...Key) ([]Usage, error) {
	release, err := q.acquireSlot(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	now := q.now()
	var list []Usage
	for _, key := range keys {
		list = append(list, q.windows(key, now, 0)...)
	}
	if err := q.read(ctx, list); err != nil {
		return nil, err
	}
	return list, nil
}

// read sets Used of each window. It sends one request per window, concurrently.
func (q *Quota) read(ctx context.Context, list []Usage) error {
	return each(len(list), func(i int) error {
		used, err := q.value(ctx, list[i].counter)
		list[i].Used = used
		return err
	})
}
