package quota_test

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
)

func plan(guest, member quota.Limits, address int) quota.Plan {
	return quota.Plan{Guest: guest, Member: member, AddressPerDay: address}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	none, member, texts := limits(0, 0), limits(30, 100), limits(90, 300)
	const most = math.MaxInt32
	for name, c := range map[string]struct {
		environ     string
		simulated   bool
		media, text quota.Plan
	}{
		"defaults":                   {"", false, plan(limits(8, 10), member, 300), plan(limits(24, 30), texts, 900)},
		"defaults, simulated":        {"", true, plan(none, member, 0), plan(none, texts, 0)},
		"guests set":                 {"QUOTA_GUEST_PER_MINUTE=1 QUOTA_GUEST_PER_DAY=2", false, plan(limits(1, 2), member, 300), plan(limits(3, 6), texts, 900)},
		"guests set, simulated":      {"QUOTA_GUEST_PER_MINUTE=1 QUOTA_GUEST_PER_DAY=2", true, plan(limits(1, 2), member, 0), plan(limits(3, 6), texts, 0)},
		"guests per day, simulated":  {"QUOTA_GUEST_PER_DAY=2", true, plan(limits(0, 2), member, 0), plan(limits(0, 6), texts, 0)},
		"guests without limit":       {"QUOTA_GUEST_PER_MINUTE=0 QUOTA_GUEST_PER_DAY=0", false, plan(none, member, 0), plan(none, texts, 0)},
		"guests above the ceiling":   {"QUOTA_GUEST_PER_DAY=1000", false, plan(limits(8, 1000), member, 1000), plan(limits(24, 3000), texts, 3000)},
		"members":                    {"QUOTA_MEMBER_PER_MINUTE=5 QUOTA_MEMBER_PER_DAY=7", false, plan(limits(8, 10), limits(5, 7), 21), plan(limits(24, 30), limits(15, 21), 63)},
		"members without limit":      {"QUOTA_MEMBER_PER_DAY=0", false, plan(limits(8, 10), limits(30, 0), 0), plan(limits(24, 30), limits(90, 0), 0)},
		"the address":                {"QUOTA_ADDRESS_PER_DAY=50", false, plan(limits(8, 10), member, 50), plan(limits(24, 30), texts, 150)},
		"the address, simulated":     {"QUOTA_ADDRESS_PER_DAY=50", true, plan(none, member, 50), plan(none, texts, 150)},
		"the address without limit":  {"QUOTA_ADDRESS_PER_DAY=0", false, plan(limits(8, 10), member, 0), plan(limits(24, 30), texts, 0)},
		"texts":                      {"QUOTA_TEXT_GUEST_PER_MINUTE=1 QUOTA_TEXT_GUEST_PER_DAY=2 QUOTA_TEXT_MEMBER_PER_MINUTE=3 QUOTA_TEXT_MEMBER_PER_DAY=4", false, plan(limits(8, 10), member, 300), plan(limits(1, 2), limits(3, 4), 12)},
		"texts of members, no limit": {"QUOTA_TEXT_MEMBER_PER_DAY=0", false, plan(limits(8, 10), member, 300), plan(limits(24, 30), limits(90, 0), 0)},
		"texts of guests, simulated": {"QUOTA_TEXT_GUEST_PER_DAY=2", true, plan(none, member, 0), plan(limits(0, 2), texts, 0)},
		"texts of the address":       {"QUOTA_TEXT_ADDRESS_PER_DAY=70", true, plan(none, member, 0), plan(none, texts, 70)},
		"texts of the address, none": {"QUOTA_TEXT_ADDRESS_PER_DAY=0", false, plan(limits(8, 10), member, 300), plan(limits(24, 30), texts, 0)},
		"maximum": {
			"QUOTA_MEMBER_PER_DAY=" + strconv.Itoa(most), false, plan(limits(8, 10), limits(30, most), most),
			plan(limits(24, 30), limits(90, most), most),
		},
	} {
		var cfg quota.Config
		if err := env.Load(strings.Fields(c.environ), &cfg); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got, want := cfg.Plans(c.simulated), (quota.Plans{Media: c.media, Text: c.text}); got != want {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, want)
		}
	}
}

func TestConfigFaults(t *testing.T) {
	t.Parallel()
	names := []string{
		"QUOTA_GUEST_PER_MINUTE", "QUOTA_GUEST_PER_DAY", "QUOTA_MEMBER_PER_MINUTE", "QUOTA_MEMBER_PER_DAY", "QUOTA_ADDRESS_PER_DAY",
		"QUOTA_TEXT_GUEST_PER_MINUTE", "QUOTA_TEXT_GUEST_PER_DAY", "QUOTA_TEXT_MEMBER_PER_MINUTE", "QUOTA_TEXT_MEMBER_PER_DAY",
		"QUOTA_TEXT_ADDRESS_PER_DAY",
	}
	for _, value := range []string{"-1", "many", "1.5"} {
		var environ []string
		for _, name := range names {
			environ = append(environ, name+"="+value)
		}
		var cfg quota.Config
		err := env.Load(environ, &cfg)
		for _, name := range names {
			if err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s=%s: %v", name, value, err)
			}
		}
	}
}
