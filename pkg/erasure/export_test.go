package erasure

// WithSteps has after called behind each step; its error ends what is under way as a crash would.
func (e *Eraser) WithSteps(after func(Step) error) *Eraser {
	e.after = after
	return e
}
