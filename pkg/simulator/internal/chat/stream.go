package chat

import (
	"net/http"
	"slices"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
)

// chunk is one event of a stream.
type chunk struct {
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

// delta is the part of the message in a chunk.
type delta struct {
	Role      string     `json:"role,omitempty"`
	Content   *string    `json:"content,omitempty"`
	Reasoning *string    `json:"reasoning_content,omitempty"`
	Audio     *audio     `json:"audio,omitempty"`
	ToolCalls []toolCall `json:"tool_calls,omitempty"`
}

// chunk encodes one event.
func (c completion) chunk(d delta, finish *string, cost *usage) []byte {
	return event(chunk{
		ID: c.id, Object: "chat.completion.chunk", Created: c.created, Model: c.model, Fingerprint: c.fingerprint,
		Choices: []chunkChoice{{Delta: d, Finish: finish}}, Usage: cost,
	})
}

func event(value any) []byte {
	return append(append([]byte("data: "), kit.Encode(value)...), "\n\n"...)
}

// events encodes the whole stream. The usage is in the last chunk, or in one of
// its own without choices.
func (u Upstream) events(x *kit.Exchange, request Request, c completion) [][]byte {
	events := [][]byte{c.chunk(delta{Role: "assistant", Content: new("")}, nil, nil)}
	for _, piece := range pieces(c.reasoning) {
		events = append(events, c.chunk(delta{Reasoning: &piece}, nil, nil))
	}
	for _, piece := range pieces(c.content) {
		events = append(events, c.chunk(delta{Content: &piece}, nil, nil))
	}
	for _, piece := range c.audio.pieces() {
		events = append(events, c.chunk(delta{Audio: piece}, nil, nil))
	}
	if x.Varies(faultWithoutDone) {
		return events[:1+len(events)/2]
	}
	cost := &c.usage
	apart := x.Varies(faultUsageChunk)
	if u.UsageOnRequest {
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
	events = append(events, c.chunk(delta{Content: new(""), ToolCalls: c.toolCalls()}, &c.finish, last))
	if apart {
		events = append(events, event(chunk{
			ID: c.id, Object: "chat.completion.chunk", Created: c.created, Model: c.model, Fingerprint: c.fingerprint,
			Choices: []chunkChoice{}, Usage: &c.usage,
		}))
	}
	return append(events, []byte("data: [DONE]\n\n"))
}

// pieces cuts a text into the parts of a stream.
func pieces(text string) []string {
	var parts []string
	for part := range slices.Chunk([]rune(text), 6) {
		parts = append(parts, string(part))
	}
	return parts
}

// stream writes a completion as server-sent events.
func (u Upstream) stream(x *kit.Exchange, request Request, c completion) {
	writes := u.events(x, request, c)
	if x.Varies(faultKeepAlive) {
		var spaced [][]byte
		for _, e := range writes {
			spaced = append(spaced, []byte(": keep-alive\n\n"), e)
		}
		writes = spaced
	}
	if x.Varies(faultSplitChunks) {
		writes = shred(writes)
	}
	x.Header().Set("Cache-Control", "no-cache")
	x.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	x.SetRuleHeaders()
	x.SendStatus(http.StatusOK, x.Header().Get("Content-Type"))
	switch {
	case x.Varies(kit.FaultEmpty):
		writes = nil
	case x.Varies(kit.FaultTruncated), x.Varies(kit.FaultStalled):
		writes = writes[:len(writes)/2]
	}
	for n, data := range writes {
		last := n == len(writes)-1
		if last && !x.Varies(kit.FaultStalled) {
			x.Finish(http.StatusOK)
		}
		if !x.Write(data) {
			x.Abort()
			return
		}
		if !last && x.Pause(x.Server.Config.Latency.Token) != nil {
			x.Abort()
			return
		}
	}
	switch {
	case x.Varies(kit.FaultStalled):
		x.Hang()
	case x.Varies(kit.FaultTruncated):
		panic(http.ErrAbortHandler)
	case x.Varies(kit.FaultEmpty):
		x.Finish(http.StatusOK)
	}
}

// shred cuts the stream every seven bytes, within lines and characters.
func shred(events [][]byte) [][]byte {
	return slices.Collect(slices.Chunk(slices.Concat(events...), 7))
}
