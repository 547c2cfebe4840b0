package server

import (
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// submission is the body of POST /api/jobs.
type submission struct {
	Kind     string `json:"kind"`
	Input    *node  `json:"input"`
	Deadline *int   `json:"deadline_seconds"`
}

// order is what a caller asks for, checked but not yet completed.
type order struct {
	kind     job.Kind
	input    job.Input
	deadline *int
	// models is the catalogue that it was checked against.
	models *job.Catalogue
	// again is the job that is to be done again, and seed the other seed that was asked for; nil otherwise.
	again *job.Spec
	seed  *int64
}

// fingerprint identifies the request. It must be taken before the order is completed: with a random seed in it no
// request would be like another.
func (o *order) fingerprint() (string, error) {
	if o.again != nil {
		return job.RetryFingerprint(o.again.ID, o.seed, o.deadline)
	}
	return job.Fingerprint(o.kind, o.input, o.deadline)
}

// order checks a submission and returns what it asks for, or all its faults.
func (s *Server) order(models *job.Catalogue, sub *submission, b *binder) (*order, error) {
	o := &order{kind: job.Kind(sub.Kind), deadline: sub.Deadline, models: models}
	if sub.Deadline != nil {
		b.faults = append(b.faults, job.ValidateDeadline("/deadline_seconds", *sub.Deadline)...)
	}
	switch {
	case has(b.faults, "/kind"):
	case sub.Kind == "":
		b.add("/kind", "required")
	case !o.kind.Valid():
		b.add("/kind", "unknown_value", "known", join(job.Kinds()))
	}
	if sub.Input == nil {
		b.add("/input", "required")
	}
	if input, err := job.NewInput(o.kind); err == nil && sub.Input != nil {
		before := len(b.faults)
		spellSafe(input, sub.Input)
		b.object("/input", sub.Input, input)
		o.input = input
		if sub.Input.kind == kindObject {
			b.faults = append(b.faults, validate(input, models, "/input", b.faults[before:])...)
		}
	}
	if len(b.faults) > 0 {
		return nil, invalid(b.faults...)
	}
	return o, s.checkCompleted(o, "/input")
}

// spellSafe writes the truth value that "safe" of a picture may be as the text that it may be as well.
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

// checkCompleted checks an order once more as it will be worked: what a default model cannot do is a fault as well. The
// order itself stays as it was received.
func (s *Server) checkCompleted(o *order, prefix string) error {
	completed := duplicate(o.input)
	s.complete(completed, o.models)
	if faults := completed.Validate(o.models); len(faults) > 0 {
		return invalid(under(prefix, faults)...)
	}
	return nil
}

// duplicate copies an input as deep as completing it changes it: completing replaces fields and never what they point to.
func duplicate(in job.Input) job.Input {
	switch in := in.(type) {
	case *job.ImageInput:
		image := *in
		return &image
	case *job.AudioInput:
		audio := *in
		return &audio
	case *job.TextInput:
		text := *in
		return &text
	}
	return in
}

func has(faults []job.FieldError, pointer string) bool {
	for _, f := range faults {
		if f.Pointer == pointer {
			return true
		}
	}
	return false
}
