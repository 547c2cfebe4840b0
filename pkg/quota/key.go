package quota

import "github.com/text2image-audio/text2image-audio/pkg/job"

// Group is a group of kinds of jobs that share a quota.
type Group string

// The groups.
const (
	// GroupMedia is images and audio. The optimization of a prompt for an image is part of the image.
	GroupMedia Group = "media"
	// GroupText is optimized prompts and translations, which cost far less.
	GroupText Group = "text"
)

// LimitsOf returns the limits of a group that follow from those of images and audio files: texts, which cost less, have three times
// as much.
func LimitsOf(group Group, media Limits) Limits {
	if group == GroupText {
		return Limits{multiple(media.PerMinute), multiple(media.PerDay)}
	}
	return media
}

// GroupOf returns the group of a kind of job.
func GroupOf(kind job.Kind) Group {
	switch kind {
	case job.KindPrompt, job.KindTranslation:
		return GroupText
	case job.KindImage, job.KindAudio:
	}
	return GroupMedia
}

// Key identifies the counters of one caller in one group. Owner and Address are subject tokens and differ between groups, so
// that versions without groups, which use the name that is stored with a job, count and refund correctly.
type Key struct {
	Group Group
	Lane  job.Lane
	// Owner identifies a guest or a member.
	Owner string
	// Address identifies all guests and members at one client address.
	Address string
	// APIKey identifies the API key of a member, whose limits are APIKeyLimits; empty if it has none.
	APIKey       string
	APIKeyLimits Limits
	// Budgets are charged Cost, all in one currency, at the same time as the units.
	Budgets []Budget
	Cost    job.Amount
}
