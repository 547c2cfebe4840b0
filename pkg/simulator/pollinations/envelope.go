package pollinations

import (
	"github.com/google/uuid"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
)

// envelope is the error body, with its keys in the order of the wire.
type envelope struct {
	Success bool          `json:"success"`
	Error   envelopeError `json:"error"`
	Status  int           `json:"status"`
}

type envelopeError struct {
	Message   string `json:"message"`
	Code      string `json:"code,omitempty"`
	Type      string `json:"type,omitempty"`
	Timestamp string `json:"timestamp"`
	Details   any    `json:"details,omitempty"`
	RequestID string `json:"requestId"`
}

// validationDetails lists the invalid fields of a request.
type validationDetails struct {
	Name        string              `json:"name"`
	FormErrors  []string            `json:"formErrors"`
	FieldErrors map[string][]string `json:"fieldErrors"`
}

// WriteFailure writes a failure in the error body of Pollinations.
func WriteFailure(x *kit.Exchange, f kit.Failure) {
	x.SendJSON(f.Status, envelope{
		Error: envelopeError{
			Message: f.Message, Code: f.Code, Type: f.Type, Details: f.Details,
			Timestamp: kit.Timestamp(x.Server.Config.Now()), RequestID: uuid.NewString(),
		},
		Status: f.Status,
	})
}

// fieldErrors collects the error messages of a request by field.
type fieldErrors map[string][]string

// rejectFields rejects the invalid fields of the query or the body.
func rejectFields(x *kit.Exchange, where string, fields fieldErrors) {
	message := "Query parameter validation failed"
	if where == "body" {
		message = "JSON body validation failed"
	}
	f := badRequest(message)
	f.Details = validationDetails{Name: "ValidationError", FormErrors: []string{}, FieldErrors: fields}
	x.Fail(f)
}
