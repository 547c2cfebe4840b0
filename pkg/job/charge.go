package job

import "time"

// Charge is what a job has taken of its owner's quota, so that whoever ends the job can give it back.
type Charge struct {
	// Who is counted, under a name that only the installation can work out.
	Who string `json:"who"`
	// Address is a further counter that the same units were taken of: that of the client's network address. It is empty when
	// there is none; programs older than the field leave that counter as it is.
	Address string `json:"address,omitempty"`
	// Day is the bucket of the quota, as DayOf writes it.
	Day string `json:"day"`
	// Units are the pictures, recordings or texts.
	Units int `json:"units"`
}

// DayOf returns the day of a quota in which a moment lies. Days begin at midnight UTC.
func DayOf(at time.Time) string { return at.UTC().Format("20060102") }

// Units returns how much of a quota a job takes: one for each picture, recording or text.
func (s *Spec) Units() int {
	if in, ok := s.Input.(*ImageInput); ok {
		return in.Count()
	}
	return 1
}

// GivesBack returns how much of its charge a job gives back: what was not made, through no fault of its owner or because
// nobody had begun when it was canceled. A job that was charged on a day that is over gives nothing back.
func (r *Record) GivesBack() int {
	charge := r.Spec.Charge
	if charge == nil || charge.Day != DayOf(r.FinishedAt.Time) {
		return 0
	}
	switch {
	case r.Cancel == CancelBeforeStart:
		return charge.Units
	case r.Status == StatusFailed && !r.ownFault(r.Error):
		return charge.Units
	case r.Status == StatusSucceeded && r.Result != nil:
		units := 0
		for _, m := range r.Result.Missing {
			if !r.ownFault(&m.Error) {
				units++
			}
		}
		return min(units, charge.Units)
	}
	return 0
}

// ownFault reports whether an error is the fault of who asked: of the words, the picture to go by, or a time that was set
// too short though nothing else went wrong.
func (r *Record) ownFault(e *Error) bool {
	if e == nil {
		return false
	}
	switch e.Code {
	case CodeModerated, CodeRejected, CodeReference:
		return true
	case CodeDeadline:
		return r.Attempt > 0 && e.Cause == "" && r.Spec.Allowance() < DefaultDeadline(r.Spec.Kind)
	}
	return false
}
