package deepseek

import "encoding/json"

// request is the document of a chat request.
type request struct {
	Model         string        `json:"model"`
	Messages      []message     `json:"messages"`
	Thinking      thinking      `json:"thinking"`
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

// request spells a task. Thinking is switched off each time: it is on unless one says so, costs tokens and time, and
// makes the temperature count for nothing. A stream shows early that the model is at work.
func (c *Client) request(t task, text string) request {
	return request{
		Model:         c.model,
		Messages:      []message{{Role: "system", Content: t.instruct(text)}, {Role: "user", Content: enclose(text)}},
		Thinking:      thinking{Type: "disabled"},
		Temperature:   t.temperature,
		MaxTokens:     t.maxTokens,
		Stream:        true,
		StreamOptions: streamOptions{IncludeUsage: true},
	}
}

// document is a whole answer or one event of a stream; they differ in the name of a choice's content.
type document struct {
	Model   string          `json:"model"`
	Choices []choice        `json:"choices"`
	Usage   *usage          `json:"usage"`
	Error   json.RawMessage `json:"error"`
}

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
