package simulator

import (
	"net/http"
	"time"
)

// chatAnswer is a whole answer on the wire.
type chatAnswer struct {
	ID          string         `json:"id"`
	Object      string         `json:"object"`
	Created     int64          `json:"created"`
	Model       string         `json:"model"`
	Choices     []answerChoice `json:"choices"`
	Usage       usage          `json:"usage"`
	Fingerprint string         `json:"system_fingerprint"`
}

type answerChoice struct {
	Index    int           `json:"index"`
	Message  answerMessage `json:"message"`
	Logprobs *struct{}     `json:"logprobs"`
	Finish   string        `json:"finish_reason"`
}

type answerMessage struct {
	Role      string        `json:"role"`
	Content   *string       `json:"content"`
	Reasoning string        `json:"reasoning_content,omitempty"`
	Sound     *messageSound `json:"audio,omitempty"`
	ToolCalls []toolCall    `json:"tool_calls,omitempty"`
}

type toolCall struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

// tools is the call that an answer ending in tool_calls makes.
func (c completion) tools() []toolCall {
	if c.finish != "tool_calls" {
		return nil
	}
	call := toolCall{ID: "call_0", Type: "function"}
	call.Function.Name, call.Function.Arguments = "look_up", "{}"
	return []toolCall{call}
}

// answerChat writes a whole answer, under load with blank lines before it.
func (x *exchange) answerChat(c completion) {
	if x.plain {
		x.send(http.StatusOK, "text/plain; charset=utf-8", []byte(c.content))
		return
	}
	text := &c.content
	if c.sound != nil {
		text = nil
	}
	body := encode(chatAnswer{
		ID: c.id, Object: "chat.completion", Created: c.created, Model: c.model, Fingerprint: c.fingerprint, Usage: c.usage,
		Choices: []answerChoice{{
			Message: answerMessage{Role: "assistant", Content: text, Reasoning: c.reasoning, Sound: c.sound, ToolCalls: c.tools()}, Finish: c.finish,
		}},
	})
	if !x.behaves(faultBlankLines) {
		x.send(http.StatusOK, "application/json", body)
		return
	}
	// The status goes out before the result is known, so there is no length.
	x.w.Header().Set("Content-Type", "application/json")
	x.w.WriteHeader(http.StatusOK)
	for range 3 {
		if !x.write([]byte("\n")) || pause(x.r.Context(), x.s.dice.draw(x.s.config.Latency.Token)) != nil {
			x.abort()
			return
		}
	}
	x.finish(http.StatusOK)
	if !x.write(body) {
		x.abort()
	}
}

// write sends some bytes at once and reports whether they could be sent.
func (x *exchange) write(data []byte) bool {
	if _, err := x.w.Write(data); err != nil {
		return false
	}
	return http.NewResponseController(x.w).Flush() == nil
}

// aliveEvery is the pace of endless keep-alives: quick enough for a test,
// slow enough not to burn a processor.
const aliveEvery = 20 * time.Millisecond

// neverEnd keeps a client waiting: a stream that falls silent, or one with
// keep-alives and nothing else; blank lines when no stream was asked for.
func (x *exchange) neverEnd(request chatRequest, model chatModel) {
	contentType, alive := "application/json", "\n"
	if request.Stream {
		contentType, alive = "text/event-stream; charset=utf-8", ": keep-alive\n\n"
	}
	x.w.Header().Set("Content-Type", contentType)
	x.w.WriteHeader(http.StatusOK)
	if x.behaves(faultSilentStream) {
		if request.Stream {
			answer := x.complete(request, model)
			x.write(answer.chunk(delta{Role: "assistant", Content: new(string)}, nil, nil))
			x.write(answer.chunk(delta{Content: pointer(half(answer.content))}, nil, nil))
		} else {
			x.write([]byte("\n"))
		}
		x.hang()
		return
	}
	for {
		if !x.write([]byte(alive)) || pause(x.r.Context(), aliveEvery) != nil {
			return
		}
	}
}

// pointer is the address of a copy.
func pointer[T any](value T) *T { return &value }
