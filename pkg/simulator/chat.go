package simulator

import (
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/content"
)

// usage is what an answer cost. The cache fields are DeepSeek's.
type usage struct {
	PromptTokens     int              `json:"prompt_tokens"`
	CompletionTokens int              `json:"completion_tokens"`
	TotalTokens      int              `json:"total_tokens"`
	PromptDetails    promptDetails    `json:"prompt_tokens_details"`
	Details          *completionParts `json:"completion_tokens_details,omitempty"`
	CacheHit         *int             `json:"prompt_cache_hit_tokens,omitempty"`
	CacheMiss        *int             `json:"prompt_cache_miss_tokens,omitempty"`
}

type promptDetails struct {
	CachedTokens int `json:"cached_tokens"`
}

type completionParts struct {
	ReasoningTokens int `json:"reasoning_tokens"`
}

// completion is an answer before it is put on the wire.
type completion struct {
	id          string
	created     int64
	model       string
	fingerprint string
	reasoning   string
	content     string
	sound       *messageSound // what openai-audio says in place of content
	finish      string
	usage       usage
}

// gatewayChat serves the gateway's POST /v1/chat/completions.
func (x *exchange) gatewayChat() {
	request, err := readChat(x.body)
	x.expectSound(request)
	if !x.arrive(request.Model, request.lastUser(), request.system()) {
		return
	}
	if err != nil {
		if field, message, ok := wrongType(err); ok {
			x.refuseFields("body", map[string][]string{field: {message}})
			return
		}
		x.refuse(failure{status: http.StatusBadRequest, code: "BAD_REQUEST", message: "Malformed JSON in request body"})
		return
	}
	if field, message := request.check(); field != "" {
		x.refuseFields("body", map[string][]string{field: {message}})
		return
	}
	name := request.Model
	if name == "" {
		name = "openai"
	}
	model, known := findChatModel(gatewayChatModels(), name)
	if !known {
		x.refuse(failure{status: http.StatusBadRequest, code: "BAD_REQUEST", message: fmt.Sprintf("Invalid model: %q", request.Model)})
		return
	}
	if message := request.soundFault(model); message != "" {
		x.refuseFields("body", map[string][]string{"audio": {message}})
		return
	}
	x.converse(request, model)
}

// converse makes the answer and writes it, whole or as a stream.
func (x *exchange) converse(request chatRequest, model chatModel) {
	if err := x.rule.wait(x.r.Context()); err != nil {
		return // The client went away, or the simulator stops.
	}
	if x.behaves(faultEndlessAlive) || x.behaves(faultSilentStream) {
		x.neverEnd(request, model)
		return
	}
	latency := x.s.config.Latency.Chat
	if x.kind == KindSpeech {
		latency = x.s.config.Latency.Speech
	}
	if err := pause(x.r.Context(), x.s.dice.draw(latency)); err != nil {
		return
	}
	x.s.made[x.kind.index()].Add(1)
	answer := x.complete(request, model)
	if request.Stream {
		x.stream(request, answer)
		return
	}
	x.answerChat(answer)
}

// complete thinks of an answer: its text, its end and its cost.
func (x *exchange) complete(request chatRequest, model chatModel) completion {
	c := completion{
		id: newUUID(), created: x.s.config.Now().Unix(), model: model.id, fingerprint: "fp_51b0000000_prod0425fp8",
		content: reply(request), finish: "stop",
	}
	if !x.dialect.ownChat() {
		c.id = "pllns_" + strings.ReplaceAll(c.id, "-", "")
	}
	if model.thinks && (request.Thinking == nil || request.Thinking.Type == "enabled") {
		c.reasoning = content.Reasoning(request.lastUser())
	}
	for _, stop := range request.Stop {
		if before, _, found := strings.Cut(c.content, stop); found && stop != "" {
			c.content = before
		}
	}
	if request.wantsSound(model) {
		c.sound = x.say(request)
		c.content = ""
	}
	x.spoil(&c)
	reasoned := countTokens(c.reasoning)
	if request.MaxTokens != nil && reasoned+countTokens(c.content) > *request.MaxTokens {
		c.reasoning = firstTokens(c.reasoning, *request.MaxTokens)
		reasoned = countTokens(c.reasoning)
		c.content = firstTokens(c.content, *request.MaxTokens-reasoned)
		c.finish = "length"
	}
	asked := request.promptTokens()
	c.usage = usage{PromptTokens: asked, CompletionTokens: reasoned + countTokens(c.content)}
	if c.sound != nil {
		c.usage.CompletionTokens += countTokens(c.sound.Transcript)
	}
	c.usage.TotalTokens = c.usage.PromptTokens + c.usage.CompletionTokens
	if x.dialect == DialectDeepSeek {
		hit := min(x.s.prefixes.hit(request.system()), asked)
		miss := asked - hit
		c.usage.CacheHit, c.usage.CacheMiss, c.usage.PromptDetails.CachedTokens = &hit, &miss, hit
	}
	if c.reasoning != "" {
		c.usage.Details = &completionParts{ReasoningTokens: reasoned}
	}
	return c
}

// spoil ends the answer as the rule that matched wants it.
func (x *exchange) spoil(c *completion) {
	switch {
	case x.behaves(faultEmptyContent):
		c.content = ""
		if c.sound != nil {
			c.sound.Data, c.sound.Transcript = "", ""
		}
	case x.behaves(faultFinishLength):
		c.content, c.finish = half(c.content), "length"
	case x.behaves(faultFinishFilter):
		c.content, c.finish = "", "content_filter"
	case x.behaves(faultFinishTools):
		c.content, c.finish = "", "tool_calls"
	case x.behaves(faultFinishSystem):
		c.content, c.finish = half(c.content), "insufficient_system_resource"
	}
}

// half is the first half of a text.
func half(text string) string {
	runes := []rune(text)
	return string(runes[:len(runes)/2])
}

// countTokens estimates the tokens of a text: four Latin characters, or
// somewhat more than one Chinese one.
func countTokens(text string) int {
	latin, han := 0, 0
	for _, r := range text {
		if content.IsHan(r) {
			han++
		} else {
			latin++
		}
	}
	return (latin+3)/4 + (han*6+9)/10
}

// firstTokens is the longest beginning of a text of at most n tokens.
func firstTokens(text string, n int) string {
	if n <= 0 {
		return ""
	}
	for countTokens(text) > n {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	return text
}

// reply is what the simulated language model says. The same request gets the
// same reply.
func reply(request chatRequest) string {
	answer := content.Reply(request.system(), request.lastUser())
	if request.jsonMode() {
		return string(encode(map[string]string{"result": answer}))
	}
	return answer
}
