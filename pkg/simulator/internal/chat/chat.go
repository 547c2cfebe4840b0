// Package chat implements chat completions in the format of OpenAI, which several
// simulated upstreams share with small differences.
package chat

import (
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/phrase"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
)

// usage is the number of tokens of a completion. Only DeepSeek has the cache
// fields.
type usage struct {
	PromptTokens     int            `json:"prompt_tokens"`
	CompletionTokens int            `json:"completion_tokens"`
	TotalTokens      int            `json:"total_tokens"`
	PromptDetails    map[string]int `json:"prompt_tokens_details"`
	Details          map[string]int `json:"completion_tokens_details,omitempty"`
	CacheHit         *int           `json:"prompt_cache_hit_tokens,omitempty"`
	CacheMiss        *int           `json:"prompt_cache_miss_tokens,omitempty"`
}

// completion is a generated reply.
type completion struct {
	id          string
	created     int64
	model       string
	fingerprint string
	reasoning   string
	content     string
	audio       *audio // in place of content
	finish      string
	usage       usage
}

// Upstream is how the chats of one upstream differ from those of the others.
type Upstream struct {
	// IDPrefix begins the identifier of a completion, which then has no dashes.
	IDPrefix string
	// UsageOnRequest sends the usage of a stream only if the request asks for it,
	// in a chunk of its own.
	UsageOnRequest bool
	// CachedTokens returns how many tokens of a system message are cached; nil
	// means that the upstream reports no cache.
	CachedTokens func(system string) int
}

// Respond generates a completion and writes it, as a stream if the request asks
// for one. It returns early when the client goes away or the simulator stops.
func (u Upstream) Respond(x *kit.Exchange, request Request, model Model) {
	if completion, ok := u.generate(x, request, model); ok {
		if request.Stream {
			u.stream(x, request, completion)
		} else {
			completion.send(x)
		}
	}
}

// RespondText is Respond with the text alone as the response.
func (u Upstream) RespondText(x *kit.Exchange, request Request, model Model) {
	if completion, ok := u.generate(x, request, model); ok {
		x.Send(http.StatusOK, "text/plain; charset=utf-8", []byte(completion.content))
	}
}

// generate waits for the rule that applies and for the latency, and completes
// the chat.
func (u Upstream) generate(x *kit.Exchange, request Request, model Model) (c completion, ok bool) {
	if x.WaitRule() != nil {
		return c, false
	}
	if x.Varies(faultEndlessKeepAlive) || x.Varies(faultSilentStream) {
		u.keepWaiting(x, request, model)
		return c, false
	}
	latency := x.Server.Config.Latency.Chat
	if x.Kind == kit.KindSpeech {
		latency = x.Server.Config.Latency.Speech
	}
	if x.Pause(latency) != nil {
		return c, false
	}
	x.Server.CountGeneration(x.Kind)
	return u.complete(x, request, model), true
}

// complete returns the completion of a chat.
func (u Upstream) complete(x *kit.Exchange, request Request, model Model) completion {
	c := completion{
		id: uuid.NewString(), created: x.Server.Config.Now().Unix(), model: model.ID, fingerprint: "fp_51b0000000_prod0425fp8",
		content: reply(request), finish: "stop",
	}
	if u.IDPrefix != "" {
		c.id = u.IDPrefix + strings.ReplaceAll(c.id, "-", "")
	}
	if model.Reasons && (request.Thinking == nil || request.Thinking.Type == "enabled") {
		c.reasoning = phrase.Reasoning(request.LastUser())
	}
	for _, stop := range request.Stop {
		if before, _, found := strings.Cut(c.content, stop); found && stop != "" {
			c.content = before
		}
	}
	if request.WantsAudio(model) {
		c.audio, c.content = speak(x, request), ""
	}
	c.vary(x)
	reasoned := CountTokens(c.reasoning)
	if request.MaxTokens != nil && reasoned+CountTokens(c.content) > *request.MaxTokens {
		c.reasoning = firstTokens(c.reasoning, *request.MaxTokens)
		reasoned = CountTokens(c.reasoning)
		c.content = firstTokens(c.content, *request.MaxTokens-reasoned)
		c.finish = "length"
	}
	prompt := request.PromptTokens()
	c.usage = usage{PromptTokens: prompt, CompletionTokens: reasoned + CountTokens(c.content), PromptDetails: map[string]int{"cached_tokens": 0}}
	if c.audio != nil {
		c.usage.CompletionTokens += CountTokens(c.audio.Transcript)
	}
	c.usage.TotalTokens = c.usage.PromptTokens + c.usage.CompletionTokens
	if u.CachedTokens != nil {
		hit := min(u.CachedTokens(request.System()), prompt)
		miss := prompt - hit
		c.usage.CacheHit, c.usage.CacheMiss, c.usage.PromptDetails["cached_tokens"] = &hit, &miss, hit
	}
	if c.reasoning != "" {
		c.usage.Details = map[string]int{"reasoning_tokens": reasoned}
	}
	return c
}

// vary changes the completion as the rule that applies asks for.
func (c *completion) vary(x *kit.Exchange) {
	switch {
	case x.Varies(faultEmptyContent):
		c.content = ""
		if c.audio != nil {
			c.audio.Data, c.audio.Transcript = "", ""
		}
	case x.Varies(faultFinishLength):
		c.content, c.finish = half(c.content), "length"
	case x.Varies(faultFinishFilter):
		c.content, c.finish = "", "content_filter"
	case x.Varies(faultFinishTools):
		c.content, c.finish = "", "tool_calls"
	case x.Varies(faultFinishSystem):
		c.content, c.finish = half(c.content), "insufficient_system_resource"
	}
}

// half returns the first half of a text.
func half(text string) string {
	runes := []rune(text)
	return string(runes[:len(runes)/2])
}

// CountTokens estimates the tokens of a text: a token is four Latin characters or
// somewhat more than one Chinese character.
func CountTokens(text string) int {
	latin, han := 0, 0
	for _, r := range text {
		if phrase.IsHan(r) {
			han++
		} else {
			latin++
		}
	}
	return (latin+3)/4 + (han*6+9)/10
}

// firstTokens returns the longest prefix of a text with at most n tokens.
func firstTokens(text string, n int) string {
	if n <= 0 {
		return ""
	}
	for CountTokens(text) > n {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	return text
}

// reply returns the text of the simulated language model, which is the same for
// equal requests.
func reply(request Request) string {
	answer := phrase.Reply(request.System(), request.LastUser())
	if request.jsonMode() {
		return string(kit.Encode(map[string]string{"result": answer}))
	}
	return answer
}
