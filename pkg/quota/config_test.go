package quota_test

import (
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		environ                  []string
		guest, simulated, member quota.Limits
	}{
		"nothing set":     {nil, limits(8, 10), limits(0, 0), limits(30, 100)},
		"guests set":      {[]string{"QUOTA_GUEST_PER_MINUTE=1", "QUOTA_GUEST_PER_DAY=2"}, limits(1, 2), limits(1, 2), limits(30, 100)},
		"a part set":      {[]string{"QUOTA_GUEST_PER_DAY=2"}, limits(8, 2), limits(0, 2), limits(30, 100)},
		"guests no limit": {[]string{"QUOTA_GUEST_PER_MINUTE=0", "QUOTA_GUEST_PER_DAY=0"}, limits(0, 0), limits(0, 0), limits(30, 100)},
		"members":         {[]string{"QUOTA_MEMBER_PER_MINUTE=5", "QUOTA_MEMBER_PER_DAY=0"}, limits(8, 10), limits(0, 0), limits(5, 0)},
	} {
		var cfg quota.Config
		if err := env.Load(c.environ, &cfg); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if cfg.Guest(false) != c.guest || cfg.Guest(true) != c.simulated || cfg.Member() != c.member {
			t.Errorf("%s: guest %v, simulated %v, member %v", name, cfg.Guest(false), cfg.Guest(true), cfg.Member())
		}
	}
}

func TestConfigFaults(t *testing.T) {
	t.Parallel()
	names := []string{"QUOTA_GUEST_PER_MINUTE", "QUOTA_GUEST_PER_DAY", "QUOTA_MEMBER_PER_MINUTE", "QUOTA_MEMBER_PER_DAY"}
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
