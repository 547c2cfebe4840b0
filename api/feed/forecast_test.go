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
	imageGuests  = feed.Line{Kind: job.KindImage, Lane: job.LaneGuest}
	imageMembers = feed.Line{Kind: job.KindImage, Lane: job.LaneMember}
	prompts      = feed.Line{Kind: job.KindPrompt, Lane: job.LaneGuest}
	translations = feed.Line{Kind: job.KindTranslation, Lane: job.LaneGuest}
)

// pictures is a forecast for pictures alone, of which each takes ten seconds.
func pictures(slots int, inHand, waiting map[feed.Line]int) feed.Forecast {
	return feed.Forecast{
		Slots: map[job.Kind]int{job.KindImage: slots}, Seconds: map[job.Kind]float64{job.KindImage: 10},
		InHand: inHand, Waiting: waiting,
	}
}

// texts is a forecast for the pool that works two kinds.
func texts(slots int, prompt, translation float64, inHand, waiting map[feed.Line]int) feed.Forecast {
	return feed.Forecast{
		Slots:   map[job.Kind]int{job.KindPrompt: slots, job.KindTranslation: slots},
		Seconds: map[job.Kind]float64{job.KindPrompt: prompt, job.KindTranslation: translation},
		InHand:  inHand, Waiting: waiting,
	}
}

func TestForecastOfAQueuedJob(t *testing.T) {
	t.Parallel()
	type lines = map[feed.Line]int
	for name, tc := range map[string]struct {
		forecast feed.Forecast
		of       feed.Line
		ahead    int
		want     float64
	}{
		"no worker":                     {feed.Forecast{}, imageGuests, 3, 0},
		"no slots of the kind":          {pictures(0, nil, nil), imageGuests, 3, 0},
		"a kind without measurement":    {pictures(8, nil, nil), prompts, 3, 0},
		"a slot is free":                {pictures(8, lines{imageGuests: 7}, nil), imageGuests, 0, 10},
		"the last free slot is another": {pictures(8, lines{imageGuests: 7}, nil), imageGuests, 1, 10 + 10.0/8*9/16 + 10.0/9*7/8},
		"one slot, next":                {pictures(1, lines{imageGuests: 1}, nil), imageGuests, 0, 15},
		"one slot, tenth":               {pictures(1, lines{imageGuests: 1}, nil), imageGuests, 9, 105},
		"one idle slot, second":         {pictures(1, nil, nil), imageGuests, 1, 20},
		"eight slots, next":             {pictures(8, lines{imageGuests: 8}, nil), imageGuests, 0, 10 + 10.0/9},
		"eight slots, five hundredth":   {pictures(8, lines{imageGuests: 8}, nil), imageGuests, 499, 10 + 10.0/9 + 4990.0/8},
		"retries in hand are no slots":  {pictures(2, lines{imageGuests: 300}, nil), imageGuests, 0, 10 + 10.0/3},
		// Three members for each guest, as long as there are any.
		"guest behind members":       {pictures(1, lines{imageGuests: 1}, lines{imageMembers: 100}), imageGuests, 0, 15 + 30},
		"guest behind a few members": {pictures(1, lines{imageGuests: 1}, lines{imageMembers: 2}), imageGuests, 0, 15 + 20},
		"guest far behind members":   {pictures(1, lines{imageGuests: 1}, lines{imageMembers: 100}), imageGuests, 9, 15 + 90 + 300},
		"member before guests":       {pictures(1, lines{imageGuests: 1}, lines{imageGuests: 500}), imageMembers, 0, 15},
		"third member before guests": {pictures(1, lines{imageGuests: 1}, lines{imageGuests: 500}), imageMembers, 3, 15 + 30 + 10},
		"tenth member, one guest":    {pictures(1, lines{imageGuests: 1}, lines{imageGuests: 1}), imageMembers, 9, 15 + 90 + 10},
		"members hold the slots":     {pictures(2, lines{imageMembers: 2}, nil), imageGuests, 0, 10 + 10.0/3},
		// Kinds of one pool take turns.
		"prompt beside translations": {texts(1, 4, 2, lines{prompts: 1}, lines{translations: 50}), prompts, 5, 4 + 2 + 5*4 + 5*2},
		"prompt beside few":          {texts(1, 4, 2, lines{prompts: 1}, lines{translations: 1}), prompts, 5, 4 + 2 + 5*4 + 1*2},
		"the other kind holds it":    {texts(1, 4, 2, lines{translations: 1}, nil), prompts, 0, 6},
		"the other is not measured":  {texts(1, 4, 0, lines{prompts: 1}, lines{translations: 50}), prompts, 5, 4 + 2 + 5*4 + 5*4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tc.forecast.Queued(tc.of, tc.ahead); math.Abs(got-tc.want) > 1e-9 {
				t.Errorf("%.3f seconds, want %.3f", got, tc.want)
			}
		})
	}
}

// TestForecastIsSteady walks a job to the front of lines of every sort: what is estimated never rises, never falls by
// more than a run at a step, and is never less than the job's own run.
func TestForecastIsSteady(t *testing.T) {
	t.Parallel()
	for _, slots := range []int{1, 2, 8, 100} {
		for _, members := range []int{0, 1, 10, 1000} {
			for of := range map[feed.Line]bool{imageGuests: true, imageMembers: true} {
				waiting := map[feed.Line]int{imageGuests: 1000, imageMembers: members}
				last := math.Inf(1)
				for ahead := 600; ahead >= 0; ahead-- {
					got := pictures(slots, map[feed.Line]int{imageGuests: slots}, waiting).Queued(of, ahead)
					if got > last || got < 10 || (ahead < 600 && last-got > 40/float64(slots)+1e-9) {
						t.Fatalf("%v, %d slots, %d members: %.2f at %d, %.2f behind it", of, slots, members, got, ahead, last)
					}
					last = got
				}
			}
		}
	}
}

func TestForecastOfARunningJob(t *testing.T) {
	t.Parallel()
	now := time.Now()
	begun := func(ago time.Duration) *job.Time { return job.AtPtr(now.Add(-ago)) }
	for name, tc := range map[string]struct {
		slots    int
		progress job.Progress
		want     float64
	}{
		"just begun":         {2, job.Progress{Delivery: 1, StartedAt: begun(0)}, 10},
		"in the middle":      {2, job.Progress{Delivery: 1, StartedAt: begun(4 * time.Second)}, 6},
		"late":               {2, job.Progress{Delivery: 1, StartedAt: begun(time.Hour)}, 1},
		"by a clock ahead":   {2, job.Progress{Delivery: 1, StartedAt: begun(-time.Hour)}, 10},
		"a later attempt":    {2, job.Progress{Delivery: 2, StartedAt: begun(time.Hour)}, 10},
		"not known":          {2, job.Progress{Delivery: 1}, 0},
		"the worker is gone": {0, job.Progress{Delivery: 1, StartedAt: begun(0)}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := pictures(tc.slots, nil, nil).Running(job.KindImage, &tc.progress, now)
			if math.Abs(got-tc.want) > 0.01 {
				t.Errorf("%.3f seconds, want %.3f", got, tc.want)
			}
		})
	}
}

func TestForecastOfARetryingJob(t *testing.T) {
	t.Parallel()
	now := time.Now()
	next := func(in time.Duration) job.Progress { return job.Progress{NextAttemptAt: job.AtPtr(now.Add(in))} }
	for name, tc := range map[string]struct {
		slots, inHand int
		progress      job.Progress
		want          float64
	}{
		"in half a minute":   {2, 0, next(30 * time.Second), 40},
		"its time has come":  {2, 0, next(-time.Hour), 10},
		"the slots are busy": {1, 1, next(30 * time.Second), 45},
		"not known":          {2, 0, job.Progress{}, 0},
		"no worker":          {0, 0, next(time.Second), 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := pictures(tc.slots, map[feed.Line]int{imageGuests: tc.inHand}, nil).Retrying(job.KindImage, &tc.progress, now)
			if math.Abs(got-tc.want) > 0.01 {
				t.Errorf("%.3f seconds, want %.3f", got, tc.want)
			}
		})
	}
}

func TestSumOfWorkers(t *testing.T) {
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
		"nobody":                 {nil, 0, 0},
		"one":                    {[]control.Worker{worker(3, 10)}, 3, 10},
		"a quick and a slow one": {[]control.Worker{worker(1, 10), worker(1, 30)}, 2, 15},
		"weighed by slots":       {[]control.Worker{worker(3, 10), worker(1, 30)}, 4, 12},
		"one has not measured":   {[]control.Worker{worker(3, 10), worker(3, 0)}, 6, 10},
		"measured without slots": {[]control.Worker{worker(0, 90), worker(1, 0)}, 1, 0},
		"nonsense":               {[]control.Worker{worker(-5, -1), worker(1, 7)}, 1, 7},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			slots, seconds := feed.Sum(tc.workers)
			if slots[job.KindImage] != tc.slots || math.Abs(seconds[job.KindImage]-tc.seconds) > 1e-9 {
				t.Errorf("%v slots, %v seconds, want %d and %v", slots, seconds, tc.slots, tc.seconds)
			}
		})
	}
}

func TestEstimatesThatAreNews(t *testing.T) {
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
		if got := feed.News(tc.eta, tc.known); got != tc.want {
			t.Errorf("%d after %d is news: %t", tc.eta, tc.known, got)
		}
	}
}
