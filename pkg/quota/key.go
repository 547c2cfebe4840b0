package quota

import "github.com/text2image-audio/text2image-audio/pkg/job"

// Group is a group of kinds of jobs that share a quota.
type Group string

// The groups.
const (
	// GroupMedia is images and audio. A prompt that is optimized for an image is part of the image.
	GroupMedia Group = "media"
	// GroupText is optimized prompts and translations, which cost far less.
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

// Key names the counters of one caller in one group. Its names are tokens of subjects and differ between groups: versions
// without groups count and refund under whatever name a job carries.
type Key struct {
	Group Group
	Lane  job.Lane
	// Owner identifies a guest or a member.
	Owner string
	// Address identifies all guests and members at one client address.
	Address string
}
