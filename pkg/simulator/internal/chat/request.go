package chat

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
)

// Request is the body of a chat completion, with the fields of every upstream.
type Request struct {
	Model          string         `json:"model"`
	Messages       []Message      `json:"messages"`
	Stream         bool           `json:"stream"`
	StreamOptions  *streamOptions `json:"stream_options"`
	Thinking       *Option        `json:"thinking"`
	ResponseFormat *Option        `json:"response_format"`
	MaxTokens      *int           `json:"max_tokens"`
	Temperature    *float64       `json:"temperature"`
	TopP           *float64       `json:"top_p"`
	Stop           stopWords      `json:"stop"`
	Frequency      *float64       `json:"frequency_penalty"`
	Presence       *float64       `json:"presence_penalty"`
	Modalities     []string       `json:"modalities"`
	Audio          *AudioOptions  `json:"audio"`

	// The fields of SiliconFlow, which the others ignore.
	EnableThinking *bool  `json:"enable_thinking"`
	ThinkingBudget *int   `json:"thinking_budget"`
	Effort         string `json:"reasoning_effort"`
}

type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

// Option is an option of the form {"type": "…"}.
type Option struct {
	Type string `json:"type"`
}

// Message is one message of a chat.
type Message struct {
	Role    string `json:"role"`
	Content Text   `json:"content"`
}

// Text is the content of a message: a string, or an array of parts whose texts
// are joined.
type Text struct {
	text    string
	present bool
}

// NewText returns the content that a string has.
func NewText(text string) Text { return Text{text: text, present: true} }

// UnmarshalJSON accepts a string, null or an array of parts.
func (c *Text) UnmarshalJSON(data []byte) error {
	switch {
	case bytes.Equal(data, []byte("null")):
		return nil
	case data[0] == '"':
		c.present = true
		return json.Unmarshal(data, &c.text)
	case data[0] != '[':
		return errors.New("expected a string or an array of parts")
	}
	var parts []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	if err := json.Unmarshal(data, &parts); err != nil {
		return err
	}
	c.present = true
	for _, part := range parts {
		if part.Type == "text" {
			c.text += part.Text
		}
	}
	return nil
}

// stopWords is a string or an array of strings.
type stopWords []string

// UnmarshalJSON accepts a string, null or an array of strings.
func (s *stopWords) UnmarshalJSON(data []byte) error {
	if data[0] != '"' {
		return json.Unmarshal(data, (*[]string)(s))
	}
	*s = stopWords{""}
	return json.Unmarshal(data, &(*s)[0])
}

// ReadRequest decodes a body as far as it can.
func ReadRequest(body []byte) (Request, error) {
	var request Request
	if err := json.Unmarshal(body, &request); err != nil {
		return request, fmt.Errorf("decode chat request: %w", err)
	}
	return request, nil
}

// Check returns the first invalid field of a request and an error message; the
// field is empty if the request is valid.
func (r Request) Check() (field, message string) {
	if len(r.Messages) == 0 {
		return "messages", "Empty input messages"
	}
	for n, m := range r.Messages {
		if !slices.Contains([]string{"system", "user", "assistant", "tool", "developer"}, m.Role) {
			return "messages", fmt.Sprintf("messages[%d].role: unknown variant `%s`", n, m.Role)
		}
		if !m.Content.present && m.Role != "assistant" {
			return "messages", fmt.Sprintf("messages[%d]: missing field `content`", n)
		}
	}
	outside := func(value *float64, low, high float64) bool { return value != nil && (*value < low || *value > high) }
	switch {
	case outside(r.Temperature, 0, 2):
		return "temperature", "Invalid temperature value, the valid range of temperature is [0, 2]"
	case outside(r.TopP, 0, 1):
		return "top_p", "Invalid top_p value, the valid range of top_p is (0, 1.0]"
	case outside(r.Frequency, -2, 2), outside(r.Presence, -2, 2):
		return "frequency_penalty", "Invalid penalty value, the valid range of penalties is [-2, 2]"
	case r.MaxTokens != nil && *r.MaxTokens < 1:
		return "max_tokens", "Invalid max_tokens value, the valid range of max_tokens is [1, 393216]"
	case len(r.Stop) > 16:
		return "stop", "Invalid stop value, at most 16 sequences are allowed"
	case r.Thinking != nil && r.Thinking.Type != "enabled" && r.Thinking.Type != "disabled":
		return "thinking", fmt.Sprintf("thinking.type: unknown variant `%s`, expected `enabled` or `disabled`", r.Thinking.Type)
	case r.jsonMode() && !strings.Contains(strings.ToLower(r.System()+r.LastUser()), "json"):
		return "response_format", "Prompt must contain the word 'json' in some form to use 'response_format' of type 'json_object'."
	}
	return "", ""
}

func (r Request) jsonMode() bool {
	return r.ResponseFormat != nil && r.ResponseFormat.Type == "json_object"
}

// PromptTokens estimates the tokens of the messages.
func (r Request) PromptTokens() int {
	tokens := 4
	for _, m := range r.Messages {
		tokens += 4 + CountTokens(m.Content.text)
	}
	return tokens
}

// System joins the system messages.
func (r Request) System() string {
	var parts []string
	for _, m := range r.Messages {
		if m.Role == "system" || m.Role == "developer" {
			parts = append(parts, m.Content.text)
		}
	}
	return strings.Join(parts, "\n")
}

// LastUser returns the last user message.
func (r Request) LastUser() string {
	for _, m := range slices.Backward(r.Messages) {
		if m.Role == "user" {
			return m.Content.text
		}
	}
	return ""
}

// DecodingError describes an error of ReadRequest without the text of the user.
func DecodingError(err error) string {
	if field, message, ok := kit.WrongType(err); ok {
		return field + ": " + strings.ToLower(message)
	}
	return "expected value"
}
