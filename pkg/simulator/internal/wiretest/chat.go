package wiretest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// The system prompts of requests.
const (
	Improver   = "You improve prompts for an image model."
	Translator = "You are a translator."
)

// ChatBody returns a request, with extra fields before the messages.
func ChatBody(extra, system, user string) string {
	messages, err := json.Marshal([]map[string]string{{"role": "system", "content": system}, {"role": "user", "content": user}})
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf(`{"model":"deepseek-flash",%s"messages":%s}`, extra, messages)
}

// Quiet turns the reasoning of DeepSeek off.
const Quiet = `"thinking":{"type":"disabled"},`

// SpokenBody returns a request to openai-audio to read a text aloud.
func SpokenBody(text string) string {
	const audio = `"modalities":["text","audio"],"audio":{"voice":"nova","format":"mp3"}`
	return fmt.Sprintf(`{"model":"openai-audio",%s,"messages":[{"role":"user","content":%q}]}`, audio, text)
}

// SiliconFlowBody returns a request to improve a prompt, with extra fields before the
// messages.
func SiliconFlowBody(extra, user string) string {
	const request = `{"model":"deepseek-ai/DeepSeek-V4-Flash",%s"messages":[{"role":"system","content":%q},{"role":"user","content":%q}]}`
	return fmt.Sprintf(request, extra, Improver, user)
}

// Event is one server-sent event, or a comment.
type Event struct {
	Comment bool
	Data    string
}

// Events parses a stream strictly: data or comment lines, each followed by a blank
// line.
func Events(t *testing.T, body []byte) []Event {
	t.Helper()
	var list []Event
	for block := range strings.SplitSeq(strings.TrimSuffix(string(body), "\n\n"), "\n\n") {
		if comment, ok := strings.CutPrefix(block, ": "); ok {
			list = append(list, Event{Comment: true, Data: comment})
			continue
		}
		data, ok := strings.CutPrefix(block, "data: ")
		if !ok || strings.Contains(data, "\n") {
			t.Fatalf("not an event: %q", block)
		}
		list = append(list, Event{Data: data})
	}
	return list
}

// Streamed is the content of a stream.
type Streamed struct {
	Content, Reasoning, Finish string
	Usages, BareUsages         int
	Done                       bool
	Comments                   int
}

// Join parses a stream and joins its chunks.
func Join(t *testing.T, body []byte) Streamed {
	t.Helper()
	var all Streamed
	for _, e := range Events(t, body) {
		if e.Comment {
			all.Comments++
			continue
		}
		if e.Data == "[DONE]" {
			all.Done = true
			continue
		}
		var chunk struct {
			Object  string
			Choices []struct {
				Delta struct {
					Content          string
					ReasoningContent string `json:"reasoning_content"`
				}
				FinishReason *string `json:"finish_reason"`
			}
			Usage map[string]any
		}
		if err := json.Unmarshal([]byte(e.Data), &chunk); err != nil {
			t.Fatal(err)
		}
		if chunk.Object != "chat.completion.chunk" || all.Done {
			t.Fatalf("object %q, after the end %t", chunk.Object, all.Done)
		}
		if chunk.Usage != nil {
			all.Usages++
			if len(chunk.Choices) == 0 {
				all.BareUsages++
			}
		}
		for _, choice := range chunk.Choices {
			if choice.Delta.ReasoningContent != "" && all.Content != "" {
				t.Error("reasoning after the content began")
			}
			all.Content += choice.Delta.Content
			all.Reasoning += choice.Delta.ReasoningContent
			if choice.FinishReason != nil {
				all.Finish = *choice.FinishReason
			}
		}
	}
	return all
}
