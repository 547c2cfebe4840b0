package job

import "time"

// Charge is the charge of a job to its owner's quota, with what is needed to refund it.
type Charge struct {
	// Who is the name of the counter, which only the installation can compute.
	Who string `json:"who"`
	// Address is the counter of the client's network address, which was charged the same units; empty if there is none. Versions
	// older than the field do not refund it.
	Address string `json:"address,omitempty"`
	// Key is the counter of the API key, which was charged the same units; empty if there is none. Versions older than the field do
	// not refund it.
	Key string `json:"key,omitempty"`
	// Day is the day of the quota, as returned by DayOf.
	Day string `json:"day"`
	// Units is the number of images, audio files or texts.
	Units int `json:"units"`
}

// DayOf returns the day of a quota at a time, in UTC.
func DayOf(at time.Time) string { return at.UTC().Format("20060102") }

// Units returns how much a job counts towards a quota: one for each image, audio file or text.
func (s *Spec) Units() int {
	if in, ok := s.Input.(*ImageInput); ok {
		return in.Count()
	}
	return 1
}

// GivesBack returns the units to refund: those not produced for reasons outside the owner's control, because the job was
// canceled before it started, or because an identical one had produced them. A charge of an earlier day is not refunded.
func (r *Record) GivesBack() int {
	charge := r.Spec.Charge
	if charge == nil || charge.Day != DayOf(r.FinishedAt.Time) {
		return 0
	}
	return r.free(charge.Units)
}

// Owes returns the units of a deferred charge that are due: what would not be refunded if it had been charged at once. Nothing is if the
// job made no upstream call.
func (r *Record) Owes() int {
	charge := r.Spec.DeferredCharge
	if charge == nil || r.Attempt == 0 {
		return 0
	}
	return charge.Units - r.free(charge.Units)
}

// free returns how many of the units of a job are free of charge.
func (r *Record) free(units int) int {
	switch {
	case r.Cancel == CancelBeforeStart, r.Cached:
		return units
	case r.Status == StatusFailed && !r.ownFault(r.Error):
		return units
	case r.Status == StatusSucceeded && r.Result != nil:
		missing := 0
		for _, m := range r.Result.Missing {
			if !r.ownFault(&m.Error) {
				missing++
			}
		}
		return min(missing, units)
	}
	return 0
}

// ownFault reports whether an error is the owner's responsibility: the text, the reference image, or a short deadline without any
// other failure.
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
