package server

import (
	"errors"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

// submission is the body of POST /api/jobs.
type submission struct {
	Kind     string `json:"kind"`
	Input    *node  `json:"input"`
	Deadline *int   `json:"deadline_seconds"`
}

// order checks a submission and returns the order, or all its faults.
func (s *Server) order(models *job.Catalogue, sub *submission, b *binder) (*jobs.Order, error) {
	kind := job.Kind(sub.Kind)
	if sub.Deadline != nil {
		b.faults = append(b.faults, job.ValidateDeadline("/deadline_seconds", *sub.Deadline)...)
	}
	switch {
	case has(b.faults, "/kind"):
	case sub.Kind == "":
		b.add("/kind", "required")
	case !kind.Valid():
		b.add("/kind", "unknown_value", "known", join(job.Kinds()))
	}
	if sub.Input == nil {
		b.add("/input", "required")
	}
	in, err := job.NewInput(kind)
	if err == nil && sub.Input != nil {
		before := len(b.faults)
		spellSafe(in, sub.Input)
		b.object("/input", sub.Input, in)
		if sub.Input.kind == kindObject {
			b.faults = append(b.faults, validate(in, models, "/input", b.faults[before:])...)
		}
	}
	if len(b.faults) > 0 {
		return nil, invalid(b.faults...)
	}
	o, err := s.submitter.NewOrder(kind, in, sub.Deadline, models)
	return o, invalidInput("/input", err)
}

// spellSafe converts "safe" of an image from a boolean, which it may be, to a string.
func spellSafe(in job.Input, n *node) {
	if _, ok := in.(*job.ImageInput); !ok {
		return
	}
	for _, m := range n.members {
		if m.name == "safe" && m.value.kind == kindBool {
			m.value.kind = kindString
		}
	}
}

// validate returns the faults of an input, without those of fields that did not even have the right type.
func validate(in job.Input, c *job.Catalogue, prefix string, known []job.FieldError) []job.FieldError {
	var faults []job.FieldError
	for _, fault := range under(prefix, in.Validate(c)) {
		if !has(known, fault.Pointer) {
			faults = append(faults, fault)
		}
	}
	return faults
}

// invalidInput returns the problem of an input that pkg/jobs found invalid and that is in the body under prefix; any other
// error as it is.
func invalidInput(prefix string, err error) error {
	if faulty, ok := errors.AsType[*jobs.InvalidError](err); ok {
		return invalid(under(prefix, faulty.Faults)...)
	}
	return err
}

func has(faults []job.FieldError, pointer string) bool {
	for _, f := range faults {
		if f.Pointer == pointer {
			return true
		}
	}
	return false
}
