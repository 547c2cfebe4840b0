package chat

import (
	"net/http"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
)

// response is a complete chat completion on the wire.
type response struct {
	ID          string   `json:"id"`
	Object      string   `json:"object"`
	Created     int64    `json:"created"`
	Model       string   `json:"model"`
	Choices     []choice `json:"choices"`
	Usage       usage    `json:"usage"`
	Fingerprint string   `json:"system_fingerprint"`
}

type choice struct {
	Index    int             `json:"index"`
	Message  responseMessage `json:"message"`
	Logprobs *struct{}       `json:"logprobs"`
	Finish   string          `json:"finish_reason"`
}

type responseMessage struct {
	Role      string     `json:"role"`
	Content   *string    `json:"content"`
	Reasoning string     `json:"reasoning_content,omitempty"`
	Audio     *audio     `json:"audio,omitempty"`
	ToolCalls []toolCall `json:"tool_calls,omitempty"`
}

type toolCall struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

// toolCalls returns the call of a completion that ends with tool_calls.
func (c completion) toolCalls() []toolCall {
	if c.finish != "tool_calls" {
		return nil
	}
	call := toolCall{ID: "call_0", Type: "function"}
	call.Function.Name, call.Function.Arguments = "look_up", "{}"
	return []toolCall{call}
}

// send writes the complete completion, with faultBlankLines after blank lines, as
// DeepSeek does under load.
func (c completion) send(x *kit.Exchange) {
	text := &c.content
	if c.audio != nil {
		text = nil
	}
	body := kit.Encode(response{
		ID: c.id, Object: "chat.completion", Created: c.created, Model: c.model, Fingerprint: c.fingerprint, Usage: c.usage,
		Choices: []choice{{
			Message: responseMessage{Role: "assistant", Content: text, Reasoning: c.reasoning, Audio: c.audio, ToolCalls: c.toolCalls()}, Finish: c.finish,
		}},
	})
	if !x.Varies(faultBlankLines) {
		x.Send(http.StatusOK, "application/json", body)
		return
	}
	// The status is sent before the body is known, so there is no Content-Length.
	x.SendStatus(http.StatusOK, "application/json")
	for range 3 {
		if !x.Write([]byte("\n")) || x.Pause(x.Server.Config.Latency.Token) != nil {
			x.Abort()
			return
		}
	}
	x.Finish(http.StatusOK)
	if !x.Write(body) {
		x.Abort()
	}
}

// keepAliveInterval is the interval of endless keep-alives: short enough for a
// test, long enough to use little CPU.
const keepAliveInterval = 20 * time.Millisecond

// keepWaiting keeps a client waiting: with a stream that stops sending, or with
// endless keep-alives; with blank lines if the request asks for no stream.
func (u Upstream) keepWaiting(x *kit.Exchange, request Request, model Model) {
	contentType, keepAlive := "application/json", "\n"
	if request.Stream {
		contentType, keepAlive = "text/event-stream; charset=utf-8", ": keep-alive\n\n"
	}
	x.SendStatus(http.StatusOK, contentType)
	if x.Varies(faultSilentStream) {
		if request.Stream {
			c := u.complete(x, request, model)
			x.Write(c.chunk(delta{Role: "assistant", Content: new("")}, nil, nil))
			x.Write(c.chunk(delta{Content: new(half(c.content))}, nil, nil))
		} else {
			x.Write([]byte("\n"))
		}
		x.Hang()
		return
	}
	for {
		if !x.Write([]byte(keepAlive)) || !lifecycle.Sleep(x.Context(), keepAliveInterval) {
			return
		}
	}
}
