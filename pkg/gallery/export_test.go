package gallery

// Step is a write of an operation.
type Step = step

// The steps, in order.
const (
	StepBytes = stepBytes
	StepIndex = stepIndex
	StepDrop  = stepDrop
)

// After sets the test hook after.
func After(fail func(Step) error) Option { return func(g *Gallery) { g.after = fail } }
