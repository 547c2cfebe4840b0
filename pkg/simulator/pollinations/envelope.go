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
	x.Fail(invalidFields(message, fields))
}

func invalidFields(message string, fields fieldErrors) kit.Failure {
	f := badRequest(message)
	f.Details = map[string]any{"name": "ValidationError", "formErrors": []string{}, "fieldErrors": fields}
	return f
}
