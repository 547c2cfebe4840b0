package pollinations

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"unicode"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

// chat is a speech request to a chat model with audio output.
type chat struct {
	Model      string        `json:"model"`
	Modalities []string      `json:"modalities"`
	Audio      chatAudio     `json:"audio"`
	Messages   []chatMessage `json:"messages"`
	Private    bool          `json:"private"`
}

type chatAudio struct {
	Voice  string `json:"voice"`
	Format string `json:"format"`
}

type chatMessage struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

func newChat(r SpeechRequest, text string) chat {
	return chat{
		Model:      r.Model,
		Modalities: []string{"text", "audio"},
		Audio:      chatAudio{Voice: r.Voice, Format: r.Format},
		Messages:   []chatMessage{{Role: "system", Content: readAloud}, {Role: "user", Content: text}},
		Private:    true,
	}
}

// chatResponse is the response of a chat model with audio output.
type chatResponse struct {
	Model   string `json:"model"`
	Choices []struct {
		FinishReason string `json:"finish_reason"`
		Message      struct {
			Audio struct {
				Data       string `json:"data"`
				Transcript string `json:"transcript"`
			} `json:"audio"`
		} `json:"message"`
	} `json:"choices"`
}

// unpackSpeech returns the audio of a chat response and the name of the model. It fails if the response has no audio, the
// content filter stopped it, or the model answered the text instead of reading it.
func unpackSpeech(resp *upstream.Response, document []byte, text string) (data []byte, model string, err error) {
	var s chatResponse
	if err := json.Unmarshal(document, &s); err != nil {
		return nil, "", upstream.InvalidResponse("response is not JSON")
	}
	if len(s.Choices) == 0 {
		return nil, "", resp.UnexpectedError("response contains no choice", document)
	}
	choice := s.Choices[0]
	switch {
	case choice.FinishReason == "content_filter":
		return nil, "", &fault.Error{
			Class: fault.Moderated, Code: job.CodeModerated, Err: errors.New("model's filter ended the response"),
		}
	case choice.Message.Audio.Data == "":
		return nil, "", upstream.InvalidResponse("response contains no audio")
	case !transcriptMatches(choice.Message.Audio.Transcript, text):
		return nil, "", upstream.InvalidResponse("model answered the text instead of reading it")
	}
	data, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(choice.Message.Audio.Data, "="))
	if err != nil {
		return nil, "", upstream.InvalidResponse("audio is not valid base64")
	}
	return data, s.Model, nil
}

// transcriptMatches reports whether a transcript can be that of the text. Numbers, signs and names are transcribed in
// many ways, so it requires little similarity, and only for long texts: to reject correct audio would be worse than to
// accept an answer.
func transcriptMatches(transcript, text string) bool {
	const minPairs, minShare = 40, 0.3
	got, want := pairs(transcript), pairs(text)
	total, shared := 0, 0
	for pair, n := range want {
		total += n
		shared += min(n, got[pair])
	}
	if total < minPairs || len(got) == 0 {
		return true
	}
	return float64(shared) >= minShare*float64(total)
}

// pairs counts the pairs of adjacent letters and digits, ignoring case.
func pairs(s string) map[[2]rune]int {
	counts := make(map[[2]rune]int)
	var last rune
	for _, r := range s {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			continue
		}
		r = unicode.ToLower(r)
		if last != 0 {
			counts[[2]rune{last, r}]++
		}
		last = r
	}
	return counts
}
