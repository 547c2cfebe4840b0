package env

// Fault is one setting that cannot be used: which variable, and what would have
// been accepted. It holds no value.
type Fault struct {
	// Name is the variable as the operator wrote it.
	Name string
	// Expected completes the sentence "expected …".
	Expected string
}

// Error returns one line that names the variable.
func (f *Fault) Error() string { return f.Name + ": expected " + f.Expected }

// Validator is implemented by settings that have rules beyond the type of a
// field. Load calls Validate once all fields are set; what it returns, normally
// a *Fault or several joined ones, is reported along with all other faults. Any
// other error should begin with the name of the variable.
type Validator interface {
	Validate() error
}
