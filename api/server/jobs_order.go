package server

import (
	"errors"

	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

// submission is the body of POST /api/jobs.
type submission struct {
	Kind          string     `json:"kind"`
	Input         *bind.Node `json:"input"`
	Deadline      *int       `json:"deadline_seconds"`
	Webhook       *string    `json:"webhook"`
	WebhookEvents []string   `json:"webhook_events"`

	Metadata map[string]string `json:"metadata"`
	Tags     []string          `json:"tags"`

	Cache *bool `json:"cache"`
	// DryRun asks what would become of the job, without one.
	DryRun bool `json:"dry_run"`
}

// order checks a submission and returns the order, or a problem with all errors.
func (h *jobHandler) order(models *job.Catalogue, sub *submission, b *bind.Binder) (*jobs.Order, error) {
	kind := job.Kind(sub.Kind)
	if sub.Deadline != nil {
		b.Faults = append(b.Faults, job.ValidateDeadline("/deadline_seconds", *sub.Deadline)...)
	}
	switch {
	case bind.Has(b.Faults, "/kind"):
	case sub.Kind == "":
		b.Add("/kind", "required")
	case !kind.Valid():
		b.Add("/kind", "unknown_value", "known", bind.Join(job.Kinds()))
	}
	if sub.Input == nil {
		b.Add("/input", "required")
	}
	in, err := job.NewInput(kind)
	if err == nil && sub.Input != nil {
		before := len(b.Faults)
		boolSafeToString(in, sub.Input)
		b.Object("/input", sub.Input, in)
		if sub.Input.Kind == bind.Object {
			b.Faults = append(b.Faults, validate(in, models, "/input", b.Faults[before:])...)
		}
	}
	if sub.Webhook != nil {
		h.webhooks.checkURL(b, "/webhook", *sub.Webhook)
	}
	events := webhookEvents(b, "/webhook_events", sub.WebhookEvents)
	labels := job.Labels{Metadata: sub.Metadata, Tags: sub.Tags}
	b.AddMissing(labels.Validate(bind.Escape)...)
	if len(b.Faults) > 0 {
		return nil, problem.Invalid(b.Faults...)
	}
	o, err := h.submitter.NewOrder(kind, in, sub.Deadline, models)
	if err != nil {
		return nil, invalidInput("/input", err)
	}
	if err := o.SetLabels(labels); err != nil {
		return nil, err
	}
	if sub.Cache != nil && !*sub.Cache {
		if err := o.SetUncached(); err != nil {
			return nil, err
		}
	}
	return o, sub.requestWebhook(o, events)
}

// requestWebhook adds the webhook of a submission to its order.
func (s *submission) requestWebhook(o *jobs.Order, events []job.Event) error {
	switch {
	case s.Webhook != nil:
		return o.RequestWebhook(*s.Webhook, events)
	case events != nil:
		return o.RequestWebhook("", events)
	}
	return nil
}

// boolSafeToString converts the field "safe" of an image to a string if it is a boolean, which is allowed.
func boolSafeToString(in job.Input, n *bind.Node) {
	if _, ok := in.(*job.ImageInput); !ok {
		return
	}
	for _, m := range n.Members {
		if m.Name == "safe" && m.Value.Kind == bind.Bool {
			m.Value.Kind = bind.String
		}
	}
}

// validate returns the errors of an input, except for fields in known.
func validate(in job.Input, c *job.Catalogue, prefix string, known []job.FieldError) []job.FieldError {
	var faults []job.FieldError
	for _, fault := range prefixPointers(prefix, in.Validate(c)) {
		if !bind.Has(known, fault.Pointer) {
			faults = append(faults, fault)
		}
	}
	return faults
}

// invalidInput converts a *jobs.InvalidError to a problem; prefix is the pointer of the input in the body. It returns any
// other error unchanged.
func invalidInput(prefix string, err error) error {
	if faulty, ok := errors.AsType[*jobs.InvalidError](err); ok {
		return problem.Invalid(prefixPointers(prefix, faulty.Faults)...)
	}
	return err
}

// prefixPointers prepends a prefix to the pointers of field errors.
func prefixPointers(prefix string, fields []job.FieldError) []job.FieldError {
	for i := range fields {
		fields[i].Pointer = prefix + fields[i].Pointer
	}
	return fields
}
