package jobs_test

import (
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
)

// TestQuotaKeys checks that keys differ between callers and groups, and do not disclose the caller.
func TestQuotaKeys(t *testing.T) {
	t.Parallel()
	key := func(group quota.Group, lane job.Lane, owner, address string) quota.Key {
		return jobs.QuotaKey([]byte("a secret of the tests"), jobs.Caller{Lane: lane, Owner: owner, Address: address}, group)
	}
	seen := map[string]string{}
	for _, group := range []quota.Group{quota.GroupMedia, quota.GroupText} {
		for name, token := range map[string]string{
			"guest at an address":      key(group, job.LaneGuest, "g-1", "203.0.113.7").Owner,
			"guest at another":         key(group, job.LaneGuest, "g-1", "203.0.113.8").Owner,
			"member":                   key(group, job.LaneMember, "u-1", "203.0.113.7").Owner,
			"another member":           key(group, job.LaneMember, "u-2", "203.0.113.7").Owner,
			"member named as a guest":  key(group, job.LaneMember, "203.0.113.7", "").Owner,
			"guest without an address": key(group, job.LaneGuest, "", "unknown").Owner,
			"address":                  key(group, job.LaneGuest, "g-1", "203.0.113.7").Address,
			"another address":          key(group, job.LaneGuest, "g-1", "203.0.113.8").Address,
		} {
			name = string(group) + " of a " + name
			if !job.ValidToken(token) || strings.Contains(token, "113") {
				t.Errorf("%s is %q", name, token)
			}
			if other := seen[token]; other != "" {
				t.Errorf("%s is counted as %s", name, other)
			}
			seen[token] = name
		}
	}
	for name, pair := range map[string][2]string{
		"a member at another address": {key(quota.GroupMedia, job.LaneMember, "u-1", "203.0.113.7").Owner, key(quota.GroupMedia, job.LaneMember, "u-1", "198.51.100.1").Owner},
		"a guest with another cookie": {key(quota.GroupMedia, job.LaneGuest, "g-1", "203.0.113.7").Owner, key(quota.GroupMedia, job.LaneGuest, "g-2", "203.0.113.7").Owner},
		"the address of a member":     {key(quota.GroupText, job.LaneGuest, "g-1", "203.0.113.7").Address, key(quota.GroupText, job.LaneMember, "u-1", "203.0.113.7").Address},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is another one", name)
		}
	}
	// A version without groups uses the same names.
	if got := key(quota.GroupMedia, job.LaneGuest, "", "203.0.113.7").Owner; got != "V5D5q1xrfCNOkfc3qhfHiA" {
		t.Errorf("a guest is counted as %s", got)
	}
	if got := key(quota.GroupMedia, job.LaneMember, "u-1", "").Owner; got != "1aQAAvdIL0mU0IJ3g_mzzQ" {
		t.Errorf("a member is counted as %s", got)
	}
}
