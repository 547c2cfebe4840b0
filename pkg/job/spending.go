package job

import "time"

// Spending says that what a job costs is counted for its owner. Versions that do not know it count nothing.
type Spending struct {
	// Budgets are the names of the counters of budgets that Amount was charged to, which is what the job was expected to cost at most. Once
	// it has ended, they are corrected by what it has cost.
	Budgets []string `json:"budgets,omitempty"`
	Amount  Amount   `json:"amount,omitempty"`
}

// Budget limits what the jobs of an account or an API key may cost; 0 means no limit.
type Budget struct {
	PerDay   Amount `json:"per_day,omitempty"`
	PerMonth Amount `json:"per_month,omitempty"`
}

// ParseBudget returns the budget of optional amounts, and the errors of these with their pointers.
func ParseBudget(dayPointer string, perDay *string, monthPointer string, perMonth *string) (budget Budget, faults []FieldError) {
	for _, limit := range []struct {
		pointer string
		text    *string
		into    *Amount
	}{{dayPointer, perDay, &budget.PerDay}, {monthPointer, perMonth, &budget.PerMonth}} {
		if limit.text == nil {
			continue
		}
		amount, err := ParseAmount(*limit.text)
		if err != nil || amount == 0 {
			faults = append(faults, FieldError{Pointer: limit.pointer, Code: "invalid_amount"})
			continue
		}
		*limit.into = amount
	}
	return budget, faults
}

// Within returns the lower limit of each period.
func (b Budget) Within(other Budget) Budget {
	return Budget{lower(b.PerDay, other.PerDay), lower(b.PerMonth, other.PerMonth)}
}

// lower returns the lower of two limits, of which 0 is none.
func lower(a, b Amount) Amount {
	if a == 0 || (b != 0 && b < a) {
		return b
	}
	return a
}

// MonthOf returns the month of a budget at a time, in UTC.
func MonthOf(at time.Time) string { return at.UTC().Format("200601") }

// Model returns the model that the job requests, or "" for a text, which has none.
func (s *Spec) Model() string {
	switch in := s.Input.(type) {
	case *ImageInput:
		return in.Model
	case *AudioInput:
		return in.Model
	}
	return ""
}

// Usage returns what the upstream calls of a job have used, or nil if there were none.
func (r *Record) Usage() *Usage {
	if r.Result == nil {
		return nil
	}
	return r.Result.Usage
}

// Produced returns the number of images, audio files and texts that a job has produced.
func (r *Record) Produced() int {
	switch {
	case r.Result == nil:
		return 0
	case r.Result.Text != "":
		return 1
	}
	return len(r.Result.Media)
}
