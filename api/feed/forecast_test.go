package feed_test

import (
	"math"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/feed"
	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

var (
	imageGuests  = feed.LaneKey{Kind: job.KindImage, Lane: job.LaneGuest}
	imageMembers = feed.LaneKey{Kind: job.KindImage, Lane: job.LaneMember}
	prompts      = feed.LaneKey{Kind: job.KindPrompt, Lane: job.LaneGuest}
	translations = feed.LaneKey{Kind: job.KindTranslation, Lane: job.LaneGuest}
)

// imageForecast returns a forecast for images that take ten seconds each.
func imageForecast(slots int, inHand, waiting map[feed.LaneKey]int) feed.Forecast {
	return feed.Forecast{
		Slots: map[job.Kind]int{job.KindImage: slots}, Seconds: map[job.Kind]float64{job.KindImage: 10},
		InFlight: inHand, Waiting: waiting,
	}
}

// textForecast returns a forecast for the pool of the two text kinds.
func textForecast(slots int, prompt, translation float64, inHand, waiting map[feed.LaneKey]int) feed.Forecast {
	return feed.Forecast{
		Slots:    map[job.Kind]int{job.KindPrompt: slots, job.KindTranslation: slots},
		Seconds:  map[job.Kind]float64{job.KindPrompt: prompt, job.KindTranslation: translation},
		InFlight: inHand, Waiting: waiting,
	}
}

func TestForecastOfQueuedJob(t *testing.T) {
	t.Parallel()
	type counts = map[feed.LaneKey]int
	for name, tc := range map[string]struct {
		forecast feed.Forecast
		of       feed.LaneKey
		ahead    int
		want     float64
	}{
		"no worker":            {feed.Forecast{}, imageGuests, 3, 0},
		"no slots of the kind": {imageForecast(0, nil, nil), imageGuests, 3, 0},
		"no run time":          {imageForecast(8, nil, nil), prompts, 3, 0},
		"a slot is free":       {imageForecast(8, counts{imageGuests: 7}, nil), imageGuests, 0, 10},
		"the job before takes the last free slot": {imageForecast(8, counts{imageGuests: 7}, nil), imageGuests, 1, 10 + 10.0/8*9/16 + 10.0/9*7/8},
		"one slot, next":              {imageForecast(1, counts{imageGuests: 1}, nil), imageGuests, 0, 15},
		"one slot, tenth":             {imageForecast(1, counts{imageGuests: 1}, nil), imageGuests, 9, 105},
		"one idle slot, second":       {imageForecast(1, nil, nil), imageGuests, 1, 20},
		"eight slots, next":           {imageForecast(8, counts{imageGuests: 8}, nil), imageGuests, 0, 10 + 10.0/9},
		"eight slots, five hundredth": {imageForecast(8, counts{imageGuests: 8}, nil), imageGuests, 499, 10 + 10.0/9 + 4990.0/8},
		"retries occupy no slots":     {imageForecast(2, counts{imageGuests: 300}, nil), imageGuests, 0, 10 + 10.0/3},
		// Three members start before each guest.
		"guest behind members":       {imageForecast(1, counts{imageGuests: 1}, counts{imageMembers: 100}), imageGuests, 0, 15 + 30},
		"guest behind a few members": {imageForecast(1, counts{imageGuests: 1}, counts{imageMembers: 2}), imageGuests, 0, 15 + 20},
		"guest far behind members":   {imageForecast(1, counts{imageGuests: 1}, counts{imageMembers: 100}), imageGuests, 9, 15 + 90 + 300},
		"member before guests":       {imageForecast(1, counts{imageGuests: 1}, counts{imageGuests: 500}), imageMembers, 0, 15},
		"third member before guests": {imageForecast(1, counts{imageGuests: 1}, counts{imageGuests: 500}), imageMembers, 3, 15 + 30 + 10},
		"tenth member, one guest":    {imageForecast(1, counts{imageGuests: 1}, counts{imageGuests: 1}), imageMembers, 9, 15 + 90 + 10},
		"members occupy the slots":   {imageForecast(2, counts{imageMembers: 2}, nil), imageGuests, 0, 10 + 10.0/3},
		// Kinds of one pool take turns.
		"prompt beside translations":     {textForecast(1, 4, 2, counts{prompts: 1}, counts{translations: 50}), prompts, 5, 4 + 2 + 5*4 + 5*2},
		"prompt beside few":              {textForecast(1, 4, 2, counts{prompts: 1}, counts{translations: 1}), prompts, 5, 4 + 2 + 5*4 + 1*2},
		"the other kind runs":            {textForecast(1, 4, 2, counts{translations: 1}, nil), prompts, 0, 6},
		"the other kind has no run time": {textForecast(1, 4, 0, counts{prompts: 1}, counts{translations: 50}), prompts, 5, 4 + 2 + 5*4 + 5*4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tc.forecast.Queued(tc.of, tc.ahead); math.Abs(got-tc.want) > 1e-9 {
				t.Errorf("%.3f seconds, want %.3f", got, tc.want)
			}
		})
	}
}

// TestForecastIsMonotonic moves a job to the front of different queues. The estimate must never rise, never fall by more than a
// run per step, and never be below the run time of the job.
func TestForecastIsMonotonic(t *testing.T) {
	t.Parallel()
	for _, slots := range []int{1, 2, 8, 100} {
		for _, members := range []int{0, 1, 10, 1000} {
			for of := range map[feed.LaneKey]bool{imageGuests: true, imageMembers: true} {
				waiting := map[feed.LaneKey]int{imageGuests: 1000, imageMembers: members}
				last := math.Inf(1)
				for ahead := 600; ahead >= 0; ahead-- {
					got := imageForecast(slots, map[feed.LaneKey]int{imageGuests: slots}, waiting).Queued(of, ahead)
					if got > last || got < 10 || (ahead < 600 && last-got > 40/float64(slots)+1e-9) {
						t.Fatalf("%v, %d slots, %d members: %.2f at %d, %.2f behind it", of, slots, members, got, ahead, last)
					}
					last = got
				}
			}
		}
	}
}

func TestForecastOfRunningJob(t *testing.T) {
	t.Parallel()
	now := time.Now()
	started := func(ago time.Duration) *job.Time { return job.AtPtr(now.Add(-ago)) }
	for name, tc := range map[string]struct {
		slots    int
		progress job.Progress
		want     float64
	}{
		"just started":        {2, job.Progress{Delivery: 1, StartedAt: started(0)}, 10},
		"in the middle":       {2, job.Progress{Delivery: 1, StartedAt: started(4 * time.Second)}, 6},
		"late":                {2, job.Progress{Delivery: 1, StartedAt: started(time.Hour)}, 1},
		"start in the future": {2, job.Progress{Delivery: 1, StartedAt: started(-time.Hour)}, 10},
		"a later attempt":     {2, job.Progress{Delivery: 2, StartedAt: started(time.Hour)}, 10},
		"unknown":             {2, job.Progress{Delivery: 1}, 0},
		"no worker":           {0, job.Progress{Delivery: 1, StartedAt: started(0)}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := imageForecast(tc.slots, nil, nil).Running(job.KindImage, &tc.progress, now)
			if math.Abs(got-tc.want) > 0.01 {
				t.Errorf("%.3f seconds, want %.3f", got, tc.want)
			}
		})
	}
}

func TestForecastOfRetryingJob(t *testing.T) {
	t.Parallel()
	now := time.Now()
	next := func(in time.Duration) job.Progress { return job.Progress{NextAttemptAt: job.AtPtr(now.Add(in))} }
	for name, tc := range map[string]struct {
		slots, inHand int
		progress      job.Progress
		want          float64
	}{
		"in half a minute":   {2, 0, next(30 * time.Second), 40},
		"due":                {2, 0, next(-time.Hour), 10},
		"the slots are busy": {1, 1, next(30 * time.Second), 45},
		"unknown":            {2, 0, job.Progress{}, 0},
		"no worker":          {0, 0, next(time.Second), 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := imageForecast(tc.slots, map[feed.LaneKey]int{imageGuests: tc.inHand}, nil).Retrying(job.KindImage, &tc.progress, now)
			if math.Abs(got-tc.want) > 0.01 {
				t.Errorf("%.3f seconds, want %.3f", got, tc.want)
			}
		})
	}
}

func TestSumWorkers(t *testing.T) {
	t.Parallel()
	worker := func(slots int, seconds float64) control.Worker {
		return control.Worker{
			Slots: map[job.Kind]int{job.KindImage: slots}, RunSeconds: map[job.Kind]float64{job.KindImage: seconds},
		}
	}
	for name, tc := range map[string]struct {
		workers []control.Worker
		slots   int
		seconds float64
	}{
		"none":                   {nil, 0, 0},
		"one":                    {[]control.Worker{worker(3, 10)}, 3, 10},
		"a fast and a slow one":  {[]control.Worker{worker(1, 10), worker(1, 30)}, 2, 15},
		"weighted by slots":      {[]control.Worker{worker(3, 10), worker(1, 30)}, 4, 12},
		"one without run time":   {[]control.Worker{worker(3, 10), worker(3, 0)}, 6, 10},
		"run time without slots": {[]control.Worker{worker(0, 90), worker(1, 0)}, 1, 0},
		"negative values":        {[]control.Worker{worker(-5, -1), worker(1, 7)}, 1, 7},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			slots, seconds := feed.SumWorkers(tc.workers)
			if slots[job.KindImage] != tc.slots || math.Abs(seconds[job.KindImage]-tc.seconds) > 1e-9 {
				t.Errorf("%v slots, %v seconds, want %d and %v", slots, seconds, tc.slots, tc.seconds)
			}
		})
	}
}

func TestPositionIsNews(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		eta, known int
		want       bool
	}{
		{10, 10, false},
		{11, 10, false},
		{12, 10, true},
		{8, 10, true},
		{105, 100, false},
		{111, 100, true},
		{89, 100, true},
		{3, 0, true},
		{0, 3, true},
		{1, 0, true},
		{1, 2, false},
		{1, 3, true},
	} {
		if got := feed.EstimateIsNews(tc.eta, tc.known); got != tc.want {
			t.Errorf("%d after %d is news: %t", tc.eta, tc.known, got)
		}
	}
}
