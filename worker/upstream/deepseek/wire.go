package deepseek

import (
	"encoding/json"
	"strings"
)

// request is the document of a chat request.
type request struct {
	Model         string        `json:"model"`
	Messages      []message     `json:"messages"`
	Thinking      *thinking     `json:"thinking,omitempty"`
	Thinks        *bool         `json:"enable_thinking,omitempty"`
	Temperature   float64       `json:"temperature"`
	MaxTokens     int           `json:"max_tokens"`
	Stream        bool          `json:"stream"`
	StreamOptions streamOptions `json:"stream_options"`
}

type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

type thinking struct {
	Type string `json:"type"`
}

type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

// request returns the request of a task. It disables thinking with the parameter of the service: thinking is on by
// default, costs tokens and time, and makes the service ignore the temperature. A stream shows progress early.
func (c *Client) request(t task, text string) request {
	r := request{
		Model:         c.model,
		Messages:      []message{{Role: "system", Content: t.instruct(text)}, {Role: "user", Content: enclose(text)}},
		Temperature:   t.temperature,
		MaxTokens:     t.maxTokens,
		Stream:        true,
		StreamOptions: streamOptions{IncludeUsage: true},
	}
	switch {
	case c.noThinking.Load():
	case c.siliconFlow:
		r.Thinks = new(bool)
	default:
		r.Thinking = &thinking{Type: "disabled"}
	}
	return r
}

// document is a complete response, whose choices have a message, or one event of a stream, whose choices have a delta.
type document struct {
	Choices []choice        `json:"choices"`
	Usage   *usage          `json:"usage"`
	Error   json.RawMessage `json:"error"`
	// Message is that of the error format without "error".
	Message json.RawMessage `json:"message"`
}

// failed reports whether the document is an error.
func (d *document) failed() bool {
	if isSet(d.Error) {
		return true
	}
	return len(d.Choices) == 0 && isSet(d.Message) && strings.HasPrefix(string(d.Message), `"`)
}

// isSet reports whether a member exists and is not null.
func isSet(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }

type choice struct {
	Index        int     `json:"index"`
	Delta        content `json:"delta"`
	Message      content `json:"message"`
	FinishReason string  `json:"finish_reason"`
}

type content struct {
	Content   string `json:"content"`
	Reasoning string `json:"reasoning_content"`
}

type usage struct {
	Prompt     int `json:"prompt_tokens"`
	Completion int `json:"completion_tokens"`
}
