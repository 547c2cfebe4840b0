package job

import "slices"

// Kind is what a job generates.
type Kind string

// The kinds of job.
const (
	KindImage       Kind = "image"
	KindAudio       Kind = "audio"
	KindPrompt      Kind = "prompt"
	KindTranslation Kind = "translation"
)

// Kinds returns all kinds, in the order in which they are documented.
func Kinds() []Kind { return []Kind{KindImage, KindAudio, KindPrompt, KindTranslation} }

// Valid reports whether k is a known kind.
func (k Kind) Valid() bool { return slices.Contains(Kinds(), k) }

// Lane separates the jobs of members and guests in the queue, so that neither can hold up the other.
type Lane string

// The lanes.
const (
	LaneMember Lane = "member"
	LaneGuest  Lane = "guest"
)

// Lanes returns all lanes, the preferred one first.
func Lanes() []Lane { return []Lane{LaneMember, LaneGuest} }

// Valid reports whether l is a known lane.
func (l Lane) Valid() bool { return l == LaneMember || l == LaneGuest }

// Stage is what a running job is doing.
type Stage string

// The stages of a running job.
const (
	StageOptimizing Stage = "optimizing"
	StageGenerating Stage = "generating"
	StageStoring    Stage = "storing"
)

// OwnerAnonymous is the owner of jobs of callers that have neither an account nor a guest cookie. Such a job is protected only by
// its unguessable id.
const OwnerAnonymous = "guest"

// ValidToken reports whether s can be a token of a subject or key, such as an owner or a job id. It must be checked before a
// subject is built from untrusted input.
func ValidToken(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}
