package server_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
)

// TestRequestsPerSubmission counts what a submission asks of NATS. A request that is added shows here.
func TestRequestsPerSubmission(t *testing.T) {
	t.Parallel()
	limits := quota.Limits{PerMinute: 100, PerDay: 100}
	plans := quota.Plans{Media: quota.Plan{Guest: limits, Member: limits, AddressPerDay: 100}}
	c, _ := guest()
	const (
		publish, minute, day = "jobs", "usage.minute", "usage.day"
		readResults          = "$JS.API.DIRECT.GET.KV_RESULTS"
		readQueue            = "$JS.API.DIRECT.GET.JOBS"
		countQueue           = "$JS.API.DIRECT.GET.JOBS"
		readAccount          = "$JS.API.DIRECT.GET.KV_USERS"
	)
	const readCache = "$JS.API.DIRECT.GET.KV_CACHE"
	speech := fields{"kind": "audio", "input": fields{"text": "good evening"}}
	uncached := fields{"kind": "audio", "input": fields{"text": "good evening"}, "cache": false}
	type counts = map[string]int
	charge := counts{minute: 1, day: 2} // The daily counters are those of the owner and of the address.
	keyed := counts{readResults: 2}
	// The account, which is looked at before and after, and the URL for the events of its jobs are read once in a while.
	member := counts{readAccount: 2}
	for name, tc := range map[string]struct {
		quota, active bool
		// again counts the second submission.
		again   bool
		options func(*bundle) []option
		want    []counts
		body    any // imageBody unless set
	}{
		"guest":                   {want: nil},
		"guest, active limit":     {active: true, options: func(*bundle) []option { return []option{cookie(c)} }, want: []counts{{countQueue: 1}}},
		"guest, may be cached":    {body: speech, options: func(*bundle) []option { return []option{cookie(c)} }, want: []counts{{readCache: 1}}},
		"guest, uncached":         {body: uncached, options: func(*bundle) []option { return []option{cookie(c)} }},
		"anonymous, not cached":   {body: speech},
		"guest, quota":            {quota: true, want: []counts{charge}},
		"guest, key":              {options: func(*bundle) []option { return []option{idempotencyKey("k")} }, want: []counts{keyed}},
		"guest, key, quota":       {quota: true, options: func(*bundle) []option { return []option{idempotencyKey("k")} }, want: []counts{keyed, charge, {readQueue: 1}}},
		"member":                  {options: func(b *bundle) []option { return []option{b.newMember(t, annEmail)} }, want: []counts{member}},
		"member, quota":           {quota: true, options: func(b *bundle) []option { return []option{b.newMember(t, annEmail)} }, want: []counts{member, charge}},
		"member, quota and limit": {quota: true, active: true, options: func(b *bundle) []option { return []option{b.newMember(t, annEmail)} }, want: []counts{member, charge, {countQueue: 1}}},
		"member, again":           {quota: true, active: true, again: true, options: func(b *bundle) []option { return []option{b.newMember(t, annEmail)} }, want: []counts{charge}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, func(cfg *server.Config, deps *server.Deps) {
				if tc.quota {
					deps.Now = midday
					deps.Quota = quota.New(deps.Broker, plans, deps.Now)
				}
				if !tc.active {
					cfg.MaxActiveGuest, cfg.MaxActiveMember = 0, 0
				}
			})
			var options []option
			if tc.options != nil {
				options = tc.options(b)
			}
			want := counts{publish: 1}
			for _, more := range tc.want {
				for subject, n := range more {
					want[subject] += n
				}
			}
			body := tc.body
			if body == nil {
				body = imageBody
			}
			if tc.again {
				b.submit(t, body, options...).expect(t, http.StatusAccepted)
			}
			all := brokertest.Subscribe(t, b.broker.Conn(), ">")
			b.submit(t, body, options...).expect(t, http.StatusAccepted)
			must(t, b.broker.Conn().Publish("end", nil))
			got := counts{}
			for {
				m, err := all.NextMsg(hang)
				must(t, err)
				if m.Subject == "end" {
					break
				}
				if request := requestOf(m.Subject); m.Reply != "" && request != "" {
					got[request]++
				}
			}
			if !maps.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

// requestOf returns the subject of a request without ids, or "" for one that the process sends by itself.
func requestOf(subject string) string {
	tokens := strings.Split(subject, ".")
	switch tokens[0] {
	case "jobs":
		return tokens[0]
	case "usage":
		return strings.Join(tokens[:2], ".")
	}
	if strings.Contains(subject, ".CONSUMER.") || strings.Contains(subject, "KV_CONTROL") {
		return ""
	}
	return subject
}
