package env

// Fault is an invalid setting. It does not contain the value.
type Fault struct {
	// Name is the variable that was set.
	Name string
	// Expected completes the sentence "expected …".
	Expected string
}

// Error returns one line that names the variable.
func (f *Fault) Error() string { return f.Name + ": expected " + f.Expected }

// Validator is implemented by settings that have rules beyond the types of their
// fields. Load calls Validate after it has set all fields, and returns its error,
// normally a *Fault or several joined ones, with all other faults. Any other error
// should begin with the name of the variable.
type Validator interface {
	Validate() error
}
