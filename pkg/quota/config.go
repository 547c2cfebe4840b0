package quota

import (
	"errors"

	"github.com/text2image-audio/text2image-audio/pkg/env"
)

// Config says how much may be asked for.
type Config struct {
	GuestPerMinute  *int `env:"QUOTA_GUEST_PER_MINUTE" doc:"Pictures, recordings and texts that a guest, known by its address, may ask for in a minute; 0 means without limit. Empty is 8, and no limit while the simulator serves."`
	GuestPerDay     *int `env:"QUOTA_GUEST_PER_DAY" doc:"The same for a day, which begins at midnight UTC. Empty is 10, and no limit while the simulator serves."`
	MemberPerMinute int  `env:"QUOTA_MEMBER_PER_MINUTE" envDefault:"30" doc:"Pictures, recordings and texts that a member may ask for in a minute; 0 means without limit."`
	MemberPerDay    int  `env:"QUOTA_MEMBER_PER_DAY" envDefault:"100" doc:"The same for a day, which begins at midnight UTC; 0 means without limit."`
}

// What a guest has when nothing is set.
const (
	guestPerMinute = 8
	guestPerDay    = 10
)

// Validate reports every fault at once, each as a *env.Fault.
func (c *Config) Validate() error {
	var errs []error
	check := func(name string, value int) {
		if value < 0 {
			errs = append(errs, &env.Fault{Name: name, Expected: "a whole number, 0 for no limit"})
		}
	}
	guest := c.Guest(false)
	check("QUOTA_GUEST_PER_MINUTE", guest.PerMinute)
	check("QUOTA_GUEST_PER_DAY", guest.PerDay)
	check("QUOTA_MEMBER_PER_MINUTE", c.MemberPerMinute)
	check("QUOTA_MEMBER_PER_DAY", c.MemberPerDay)
	return errors.Join(errs...)
}

// Limits is how much may be asked for; 0 means without limit.
type Limits struct{ PerMinute, PerDay int }

// Guest returns the limits of a guest. What the simulator makes costs nothing, so that it is not limited unless somebody
// wants that.
func (c *Config) Guest(simulated bool) Limits {
	l := Limits{guestPerMinute, guestPerDay}
	if simulated {
		l = Limits{}
	}
	if c.GuestPerMinute != nil {
		l.PerMinute = *c.GuestPerMinute
	}
	if c.GuestPerDay != nil {
		l.PerDay = *c.GuestPerDay
	}
	return l
}

// Member returns the limits of a member.
func (c *Config) Member() Limits { return Limits{c.MemberPerMinute, c.MemberPerDay} }
