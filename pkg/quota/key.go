package quota

import "github.com/text2image-audio/text2image-audio/pkg/job"

// Group is the kinds of job that share a quota.
type Group string

// The groups.
const (
	// GroupMedia is images and audio. The prompt of an image that is optimized on the way is part of the image.
	GroupMedia Group = "media"
	// GroupText is prompts that are optimized and texts that are translated, which cost far less.
	GroupText Group = "text"
)

// GroupOf returns the group in which a kind of job is counted.
func GroupOf(kind job.Kind) Group {
	switch kind {
	case job.KindPrompt, job.KindTranslation:
		return GroupText
	case job.KindImage, job.KindAudio:
	}
	return GroupMedia
}

// Key names the counters of one caller in one group. Its names are tokens of subjects and differ between groups: the version
// before groups counts, and gives back, under whatever name a job carries.
type Key struct {
	Group Group
	Lane  job.Lane
	// Owner is a guest or a member.
	Owner string
	// Address is all guests and members at one client address.
	Address string
}
