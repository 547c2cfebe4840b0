package gallery

// Step is a write after which a process may die.
type Step = step

// The steps, in their order.
const (
	StepBytes = stepBytes
	StepIndex = stepIndex
	StepDrop  = stepDrop
)

// After has fail called after each write; its error ends the operation there, as a crash would.
func After(fail func(Step) error) Option { return func(g *Gallery) { g.after = fail } }
