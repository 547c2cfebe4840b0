package job

// Kind is what a job makes.
type Kind string

// The kinds of job.
const (
	KindImage       Kind = "image"
	KindAudio       Kind = "audio"
	KindPrompt      Kind = "prompt"
	KindTranslation Kind = "translation"
)

// Kinds returns every kind, in the order in which they are documented.
func Kinds() []Kind { return []Kind{KindImage, KindAudio, KindPrompt, KindTranslation} }

// Valid reports whether k is a known kind.
func (k Kind) Valid() bool {
	switch k {
	case KindImage, KindAudio, KindPrompt, KindTranslation:
		return true
	}
	return false
}

// Lane separates members from guests in the queue, so that many jobs of the ones do not hold up the others.
type Lane string

// The lanes.
const (
	LaneMember Lane = "member"
	LaneGuest  Lane = "guest"
)

// Lanes returns every lane, the preferred one first.
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

// OwnerAnonymous owns the jobs of callers that have neither an account nor a guest cookie. Only its unguessable id protects such
// a job.
const OwnerAnonymous = "guest"

// ValidToken reports whether s can be one token of a subject or key: an owner or a job id. It must be checked before a subject
// is built from untrusted input.
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
