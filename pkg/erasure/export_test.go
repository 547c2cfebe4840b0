package erasure

// Step is a step of a deletion.
type Step = step

// The steps of a deletion, in order.
const (
	StepBegin   = stepBegin
	StepAccount = stepAccount
	StepErase   = stepErase
	StepMarks   = stepMarks
)

// WithSteps sets the test hook after.
func (e *Eraser) WithSteps(after func(Step) error) *Eraser {
	e.after = after
	return e
}
