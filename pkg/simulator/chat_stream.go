package simulator

import (
	"net/http"
)

// chatChunk is one event of a stream.
type chatChunk struct {
	ID          string        `json:"id"`
	Object      string        `json:"object"`
	Created     int64         `json:"created"`
	Model       string        `json:"model"`
	Fingerprint string        `json:"system_fingerprint"`
	Choices     []chunkChoice `json:"choices"`
	Usage       *usage        `json:"usage"`
}

type chunkChoice struct {
	Index    int       `json:"index"`
	Delta    delta     `json:"delta"`
	Logprobs *struct{} `json:"logprobs"`
	Finish   *string   `json:"finish_reason"`
}

// delta is what a chunk adds.
type delta struct {
	Role      string        `json:"role,omitempty"`
	Content   *string       `json:"content,omitempty"`
	Reasoning *string       `json:"reasoning_content,omitempty"`
	Sound     *messageSound `json:"audio,omitempty"`
	ToolCalls []toolCall    `json:"tool_calls,omitempty"`
}

// chunk renders one event.
func (c completion) chunk(d delta, finish *string, cost *usage) []byte {
	return event(chatChunk{
		ID: c.id, Object: "chat.completion.chunk", Created: c.created, Model: c.model, Fingerprint: c.fingerprint,
		Choices: []chunkChoice{{Delta: d, Finish: finish}}, Usage: cost,
	})
}

func event(value any) []byte {
	return append(append([]byte("data: "), encode(value)...), "\n\n"...)
}

// events renders the whole stream. Usage rides on the last chunk, or on one
// of its own without choices.
func (x *exchange) events(request chatRequest, c completion) [][]byte {
	events := [][]byte{c.chunk(delta{Role: "assistant", Content: new(string)}, nil, nil)}
	for _, piece := range pieces(c.reasoning) {
		events = append(events, c.chunk(delta{Reasoning: &piece}, nil, nil))
	}
	for _, piece := range pieces(c.content) {
		events = append(events, c.chunk(delta{Content: &piece}, nil, nil))
	}
	for _, piece := range c.sound.pieces() {
		events = append(events, c.chunk(delta{Sound: piece}, nil, nil))
	}
	if x.behaves(faultWithoutDone) {
		return events[:1+len(events)/2]
	}
	cost := &c.usage
	apart := x.behaves(faultUsageChunk)
	if !x.dialect.ownChat() {
		// The gateway counts only for those who ask, and apart.
		asked := request.StreamOptions != nil && request.StreamOptions.IncludeUsage
		apart = apart || asked
		if !asked {
			cost = nil
		}
	}
	last := cost
	if apart {
		last = nil
	}
	events = append(events, c.chunk(delta{Content: new(string), ToolCalls: c.tools()}, &c.finish, last))
	if apart {
		events = append(events, event(chatChunk{
			ID: c.id, Object: "chat.completion.chunk", Created: c.created, Model: c.model, Fingerprint: c.fingerprint,
			Choices: []chunkChoice{}, Usage: &c.usage,
		}))
	}
	return append(events, []byte("data: [DONE]\n\n"))
}

// pieces cuts a text into the parts of a stream.
func pieces(text string) []string {
	const size = 6
	var parts []string
	runes := []rune(text)
	for len(runes) > 0 {
		n := min(size, len(runes))
		parts = append(parts, string(runes[:n]))
		runes = runes[n:]
	}
	return parts
}

// stream writes an answer as server-sent events.
func (x *exchange) stream(request chatRequest, c completion) {
	writes := x.events(request, c)
	if x.behaves(faultKeepAlive) {
		var spaced [][]byte
		for _, e := range writes {
			spaced = append(spaced, []byte(": keep-alive\n\n"), e)
		}
		writes = spaced
	}
	if x.behaves(faultSplitChunks) {
		writes = shred(writes)
	}
	header := x.w.Header()
	header.Set("Content-Type", "text/event-stream; charset=utf-8")
	header.Set("Cache-Control", "no-cache")
	for name, value := range x.ruleHeaders() {
		header.Set(name, value)
	}
	x.w.WriteHeader(http.StatusOK)
	switch {
	case x.behaves(faultEmpty):
		writes = nil
	case x.behaves(faultTruncated), x.behaves(faultStalled):
		writes = writes[:len(writes)/2]
	}
	for n, data := range writes {
		last := n == len(writes)-1
		if last && !x.behaves(faultStalled) {
			x.finish(http.StatusOK)
		}
		if !x.write(data) {
			x.abort()
			return
		}
		if !last && pause(x.r.Context(), x.s.dice.draw(x.s.config.Latency.Token)) != nil {
			x.abort()
			return
		}
	}
	switch {
	case x.behaves(faultStalled):
		x.hang()
	case x.behaves(faultTruncated):
		panic(http.ErrAbortHandler)
	case x.behaves(faultEmpty):
		x.finish(http.StatusOK)
	}
}

// shred cuts the stream anew every seven bytes, within lines and characters.
func shred(events [][]byte) [][]byte {
	var all []byte
	for _, e := range events {
		all = append(all, e...)
	}
	var parts [][]byte
	for len(all) > 0 {
		n := min(7, len(all))
		parts = append(parts, all[:n])
		all = all[n:]
	}
	return parts
}
