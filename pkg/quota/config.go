package quota

import (
	"errors"
	"math"

	"github.com/text2image-audio/text2image-audio/pkg/env"
)

// Config holds the limits.
type Config struct {
	GuestPerMinute  *int `env:"QUOTA_GUEST_PER_MINUTE" doc:"Images and audio files that a guest, identified by the client address, may request per minute; 0 means no limit. Empty means 8, and no limit while the simulator is used."`
	GuestPerDay     *int `env:"QUOTA_GUEST_PER_DAY" doc:"The same per day, which begins at midnight UTC. Empty means 10, and no limit while the simulator is used."`
	MemberPerMinute int  `env:"QUOTA_MEMBER_PER_MINUTE" envDefault:"30" doc:"Images and audio files that a member may request per minute; 0 means no limit."`
	MemberPerDay    int  `env:"QUOTA_MEMBER_PER_DAY" envDefault:"100" doc:"The same per day, which begins at midnight UTC; 0 means no limit."`
	AddressPerDay   *int `env:"QUOTA_ADDRESS_PER_DAY" doc:"Images and audio files that all guests and members at one client address (IPv4 address or IPv6 /64) may request together per day; 0 means no limit. Empty means three times QUOTA_MEMBER_PER_DAY and at least QUOTA_GUEST_PER_DAY, or no limit if guests or members have none or the simulator is used. Behind a proxy, set TRUSTED_PROXIES."`

	TextGuestPerMinute  *int `env:"QUOTA_TEXT_GUEST_PER_MINUTE" doc:"Optimized prompts and translations that a guest may request per minute; they do not count as images or audio. 0 means no limit. Empty means three times QUOTA_GUEST_PER_MINUTE."`
	TextGuestPerDay     *int `env:"QUOTA_TEXT_GUEST_PER_DAY" doc:"The same per day. Empty means three times QUOTA_GUEST_PER_DAY."`
	TextMemberPerMinute *int `env:"QUOTA_TEXT_MEMBER_PER_MINUTE" doc:"Optimized prompts and translations that a member may request per minute; 0 means no limit. Empty means three times QUOTA_MEMBER_PER_MINUTE."`
	TextMemberPerDay    *int `env:"QUOTA_TEXT_MEMBER_PER_DAY" doc:"The same per day. Empty means three times QUOTA_MEMBER_PER_DAY."`
	TextAddressPerDay   *int `env:"QUOTA_TEXT_ADDRESS_PER_DAY" doc:"Optimized prompts and translations that all guests and members at one client address may request together per day; 0 means no limit. Empty means three times QUOTA_ADDRESS_PER_DAY if that is set, otherwise three times the daily text limit of a member; no limit if QUOTA_ADDRESS_PER_DAY has none."`
}

const (
	// guestPerMinute and guestPerDay are the default limits of a guest.
	guestPerMinute = 8
	guestPerDay    = 10
	// factor is the ratio of the default limits of texts to those of media, and of an address to those of a member.
	factor = 3
)

// Validate reports every fault at once, each as a *env.Fault.
func (c *Config) Validate() error {
	var errs []error
	for _, setting := range []struct {
		name  string
		value *int
	}{
		{"QUOTA_GUEST_PER_MINUTE", c.GuestPerMinute},
		{"QUOTA_GUEST_PER_DAY", c.GuestPerDay},
		{"QUOTA_MEMBER_PER_MINUTE", &c.MemberPerMinute},
		{"QUOTA_MEMBER_PER_DAY", &c.MemberPerDay},
		{"QUOTA_ADDRESS_PER_DAY", c.AddressPerDay},
		{"QUOTA_TEXT_GUEST_PER_MINUTE", c.TextGuestPerMinute},
		{"QUOTA_TEXT_GUEST_PER_DAY", c.TextGuestPerDay},
		{"QUOTA_TEXT_MEMBER_PER_MINUTE", c.TextMemberPerMinute},
		{"QUOTA_TEXT_MEMBER_PER_DAY", c.TextMemberPerDay},
		{"QUOTA_TEXT_ADDRESS_PER_DAY", c.TextAddressPerDay},
	} {
		if setting.value != nil && *setting.value < 0 {
			errs = append(errs, &env.Fault{Name: setting.name, Expected: "a whole number, 0 for no limit"})
		}
	}
	return errors.Join(errs...)
}

// Limits holds the limits of one guest or member; 0 means no limit.
type Limits struct{ PerMinute, PerDay int }

// Plan holds the limits of one group.
type Plan struct {
	Guest, Member Limits
	// AddressPerDay is the daily limit of all guests and members at one client address together; 0 means no limit.
	AddressPerDay int
}

// Plans holds the limits of every group.
type Plans struct{ Media, Text Plan }

// Plans returns the configured limits and the defaults derived from them. With the simulator, which costs nothing, guests and
// addresses have no limit by default.
func (c *Config) Plans(simulated bool) Plans {
	guest := Limits{guestPerMinute, guestPerDay}
	if simulated {
		guest = Limits{}
	}
	media := Plan{
		Guest:  Limits{or(c.GuestPerMinute, guest.PerMinute), or(c.GuestPerDay, guest.PerDay)},
		Member: Limits{c.MemberPerMinute, c.MemberPerDay},
	}
	text := Plan{
		Guest: Limits{
			or(c.TextGuestPerMinute, multiple(media.Guest.PerMinute)), or(c.TextGuestPerDay, multiple(media.Guest.PerDay)),
		},
		Member: Limits{
			or(c.TextMemberPerMinute, multiple(media.Member.PerMinute)), or(c.TextMemberPerDay, multiple(media.Member.PerDay)),
		},
	}
	if !simulated && media.bounded() {
		media.AddressPerDay = media.ceiling()
		if text.bounded() {
			text.AddressPerDay = text.ceiling()
		}
	}
	if c.AddressPerDay != nil {
		media.AddressPerDay, text.AddressPerDay = *c.AddressPerDay, multiple(*c.AddressPerDay)
	}
	text.AddressPerDay = or(c.TextAddressPerDay, text.AddressPerDay)
	return Plans{Media: media, Text: text}
}

// bounded reports whether both guests and members have a daily limit. Otherwise an address has none by default.
func (p Plan) bounded() bool { return p.Guest.PerDay > 0 && p.Member.PerDay > 0 }

// ceiling returns the default daily limit of an address.
func (p Plan) ceiling() int { return max(multiple(p.Member.PerDay), p.Guest.PerDay) }

func or(set *int, otherwise int) int {
	if set != nil {
		return *set
	}
	return otherwise
}

// multiple returns factor times n, at most the largest value of a setting.
func multiple(n int) int {
	if n > math.MaxInt32/factor {
		return math.MaxInt32
	}
	return factor * n
}
