package job

import "time"

// Charge is what a job has taken from its owner's quota, so that whoever ends the job can refund it.
type Charge struct {
	// Who is the name of the counter, which only the installation can compute.
	Who string `json:"who"`
	// Address is the counter of the client's network address, which has counted the same units. It is empty when there is none;
	// programs older than the field leave that counter as it is.
	Address string `json:"address,omitempty"`
	// Day is the bucket of the quota, as DayOf writes it.
	Day string `json:"day"`
	// Units are the images, audio files or texts.
	Units int `json:"units"`
}

// DayOf returns the day of a quota at a time. Days begin at midnight UTC.
func DayOf(at time.Time) string { return at.UTC().Format("20060102") }

// Units returns how much of a quota a job takes: one for each image, audio file or text.
func (s *Spec) Units() int {
	if in, ok := s.Input.(*ImageInput); ok {
		return in.Count()
	}
	return 1
}

// GivesBack returns the units to refund: what was not made for reasons outside the owner's control, or because the job was
// canceled before it started. A charge of an earlier day is not refunded.
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

// ownFault reports whether an error is the owner's responsibility: the words, the reference image, or a deadline that was too
// short though nothing else failed.
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
