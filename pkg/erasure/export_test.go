package erasure

// Step is a step of a deletion after which a process may die.
type Step = step

// The steps of a deletion, in their order.
const (
	StepBegin   = stepBegin
	StepAccount = stepAccount
	StepErase   = stepErase
	StepMarks   = stepMarks
)

// WithSteps has after called after each step; its error ends the operation there, as a crash would.
func (e *Eraser) WithSteps(after func(Step) error) *Eraser {
	e.after = after
	return e
}
