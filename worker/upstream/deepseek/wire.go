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

// request spells a task. Thinking is switched off each time, in the service's own words: it is on unless one says so,
// costs tokens and time, and makes the temperature count for nothing. A stream shows early that the model is at work.
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
	case c.plain.Load():
	case c.dialect == DialectSiliconFlow:
		r.Thinks = new(bool)
	default:
		r.Thinking = &thinking{Type: "disabled"}
	}
	return r
}

// document is a whole response or one event of a stream; they differ in the name of a choice's content.
type document struct {
	Model   string          `json:"model"`
	Choices []choice        `json:"choices"`
	Usage   *usage          `json:"usage"`
	Error   json.RawMessage `json:"error"`
	// Code and Message are the members of the other kind of error envelope, which has no "error".
	Code    json.RawMessage `json:"code"`
	Message json.RawMessage `json:"message"`
}

// failed reports whether the document is an error in place of a response.
func (d *document) failed() bool {
	if isSet(d.Error) {
		return true
	}
	return len(d.Choices) == 0 && isSet(d.Message) && strings.HasPrefix(string(d.Message), `"`)
}

// isSet reports whether a member is there and not null.
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
	// CacheHit is DeepSeek's count of remembered tokens, Details the one that others have.
	CacheHit int `json:"prompt_cache_hit_tokens"`
	Details  struct {
		Cached int `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
}

// cached returns how many tokens of the prompt were remembered, never more than there are.
func (u *usage) cached() int { return min(max(u.CacheHit, u.Details.Cached, 0), u.Prompt) }
