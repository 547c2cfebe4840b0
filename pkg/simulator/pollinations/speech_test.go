package pollinations_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/audiotest"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/wiretest"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
)

func TestSpeechDurationMatchesTheText(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	for _, test := range []struct {
		text        string
		least, most float64
	}{
		{"Hi", 0.15, 0.6},
		{"The quick brown fox jumps over the lazy dog.", 44 / 15.0, 44 / 13.0},
		{strings.Repeat("A rather long story, told slowly. ", 10), 340 / 15.0, 340 / 13.0},
		{"一只猫在月光下", 7 / 5.0, 7/4.0 + 0.2},
		{strings.Repeat("今天天气很好，我们去公园吧。", 4), 56 / 5.0, 56 / 4.0},
		{"...", 0.1, 1},
		{"\n", 0.1, 1},
		{"👍🎉", 0.1, 1},
	} {
		a := wiretest.Post(t, s.URL()+"/v1/audio/speech", fmt.Sprintf(`{"model":"elevenlabs","input":%q,"voice":"nova","speed":3}`, test.text))
		if a.Status != http.StatusOK || a.Header.Get("Content-Type") != "audio/mpeg" {
			t.Fatalf("%.20q: status %d, %s", test.text, a.Status, a.Header.Get("Content-Type"))
		}
		seconds, loudness := audiotest.DecodeMP3(t, a.Body)
		if seconds < test.least || seconds > test.most {
			t.Errorf("%.20q: %.2f s, want %.2f to %.2f", test.text, seconds, test.least, test.most)
		}
		if loudness < 500 {
			t.Errorf("%.20q: loudness %.0f is silence", test.text, loudness)
		}
		if want := float64(len(a.Body)) * 8 / 128000; math.Abs(want-seconds) > 0.05 {
			t.Errorf("%.20q: %d bytes are not %.2f s at 128 kbit/s", test.text, len(a.Body), seconds)
		}
	}
}

// TestFramesAreIndependent checks that no frame uses bits of the previous one, so that
// frames can be joined.
func TestFramesAreIndependent(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	a := wiretest.Post(t, s.URL()+"/v1/audio/speech", `{"input":"Every syllable of every voice, one after another.","voice":"onyx"}`)
	frames := audiotest.SplitMP3(t, a.Body)
	if len(frames) < 50 {
		t.Fatalf("%d frames", len(frames))
	}
	for n, frame := range frames {
		if mainDataBegin := int(frame[4])<<1 | int(frame[5]>>7); mainDataBegin != 0 {
			t.Fatalf("frame %d uses %d bytes of the previous ones", n, mainDataBegin)
		}
	}
}

func TestSpeechIsDeterministic(t *testing.T) {
	t.Parallel()
	one, two := simulatortest.Start(t), simulatortest.Start(t)
	speak := func(s *simulator.Simulator, body string) []byte {
		return wiretest.Post(t, s.URL()+"/v1/audio/speech", body).Body
	}
	reference := speak(one, `{"input":"Same words","voice":"nova"}`)
	for body, same := range map[string]bool{
		`{"input":"Same words","voice":"nova"}`:                         true,
		`{"input":"Same words","voice":"nova","speed":0.5,"x":[1]}`:     true,
		`{"input":"Same words","voice":"onyx"}`:                         false,
		`{"input":"Same words","voice":"alloy"}`:                        false,
		`{"input":"Some words","voice":"nova"}`:                         false,
		`{"input":"Same words","voice":"nova","response_format":"wav"}`: false,
	} {
		if got := bytes.Equal(speak(two, body), reference); got != same {
			t.Errorf("%s: same %t, want %t", body, got, same)
		}
	}
}

// TestVoicesDiffer checks that a low and a high voice share no frame, and that two
// low voices read the same text differently.
func TestVoicesDiffer(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	sounds := func(voice string) (complete string, frames map[string]bool) {
		body := wiretest.Post(t, s.URL()+"/v1/audio/speech", `{"voice":"`+voice+`","input":"Every syllable of every voice, and a good many of them, one after another."}`).Body
		frames = map[string]bool{}
		for _, frame := range audiotest.SplitMP3(t, body) {
			if bytes.Count(frame, []byte{0}) < 200 { // not silent
				frames[string(frame)] = true
			}
		}
		return string(body), frames
	}
	onyx, low := sounds("onyx")
	echo, _ := sounds("echo")
	_, high := sounds("nova")
	for frame := range high {
		if low[frame] {
			t.Fatal("a low and a high voice share a frame")
		}
	}
	if onyx == echo || len(low) < 20 || len(high) < 20 {
		t.Errorf("two voices are equal, or there are only %d and %d frames", len(low), len(high))
	}
}

func TestWAVAndRawSamples(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	const text = "Twenty-eight characters here"
	wav := wiretest.Post(t, s.URL()+"/v1/audio/speech", `{"input":"`+text+`","response_format":"wav"}`)
	raw := wiretest.Post(t, s.URL()+"/v1/audio/speech", `{"input":"`+text+`","response_format":"pcm"}`)
	if wav.Header.Get("Content-Type") != "audio/wav" || raw.Header.Get("Content-Type") != "audio/pcm" {
		t.Errorf("%s, %s", wav.Header.Get("Content-Type"), raw.Header.Get("Content-Type"))
	}
	little := binary.LittleEndian
	switch b := wav.Body; {
	case string(b[:4]) != "RIFF", string(b[8:16]) != "WAVEfmt ", string(b[36:40]) != "data":
		t.Errorf("header % x", b[:44])
	case little.Uint32(b[4:]) != uint32(len(b)-8), little.Uint32(b[40:]) != uint32(len(b)-44), little.Uint32(b[24:]) != 24000, little.Uint16(b[22:]) != 1:
		t.Errorf("numbers in the header % x", b[:44])
	case !bytes.Equal(b[44:], raw.Body):
		t.Error("the samples differ")
	}
	if seconds := float64(len(raw.Body)) / 2 / 24000; math.Abs(seconds-2) > 0.2 {
		t.Errorf("%.2f s", seconds)
	}
}

func TestSpeechHeaders(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	a := wiretest.Get(t, s.URL()+"/audio/"+url.PathEscape("你好 world")+"?model=kokoro&voice=zf_xiaoni")
	for name, want := range map[string]string{
		"Content-Type": "audio/mpeg", "x-model-used": "hexgrad/kokoro-82m", "x-tts-voice": "zf_xiaoni", "x-usage-completion-audio-tokens": "8",
	} {
		if got := a.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if a := wiretest.Post(t, s.URL()+"/v1/audio/speech", `{"input":"x"}`); a.Header.Get("x-tts-voice") != "alloy" {
		t.Errorf("default voice %s", a.Header.Get("x-tts-voice"))
	}
	if a := wiretest.Post(t, s.URL()+"/v1/audio/speech", `{"input":"x","model":"qwen-tts"}`); a.Header.Get("Content-Type") != "audio/wav" {
		t.Errorf("qwen-tts: %s", a.Header.Get("Content-Type"))
	}
}

func TestSpeechIsValidated(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	for body, message := range map[string]string{
		`{}`:                                                       "JSON body validation failed",
		`{"input":""}`:                                             "JSON body validation failed",
		`{"input":5}`:                                              "JSON body validation failed",
		`{"input":"x","response_format":"ogg"}`:                    "JSON body validation failed",
		`{"input":"x","seed":-1}`:                                  "JSON body validation failed",
		`{"input":"x","seed":4294967296}`:                          "JSON body validation failed",
		`{"input`:                                                  "Malformed JSON in request body",
		`{"input":"x","model":"flux"}`:                             `Invalid model: "flux"`,
		`{"input":"x","model":"openai-audio"}`:                     `Model "openai-audio" is a text model and cannot be used on the audio endpoint. Use the text endpoint instead.`,
		`{"input":"x","voice":"nobody"}`:                           "Invalid voice: nobody. Use a preset name or valid ElevenLabs voice ID.",
		`{"input":"x","model":"kokoro","voice":"alloy"}`:           "Invalid voice: alloy. Use a preset name or valid ElevenLabs voice ID.",
		`{"input":"` + strings.Repeat("猫", 10001) + `"}`:           "Input text too long: 10001 characters. Maximum is 10000.",
		`{"input":"x","response_format":"OPUS"}`:                   "JSON body validation failed",
		`{"input":"x","model":"qwen-tts","response_format":"mp3"}`: `Model "qwen-tts" answers wav only.`,
	} {
		a := wiretest.Post(t, s.URL()+"/v1/audio/speech", body)
		if got := wiretest.At(t, a.Fields(t), "error", "message"); a.Status != http.StatusBadRequest || got != message {
			t.Errorf("%.60s: status %d, %q", body, a.Status, got)
		}
	}
	for _, body := range []string{
		`{"input":"x","model":"tts-1-hd","voice":"shimmer","seed":4294967295}`,
		`{"input":"x","voice":"21m00Tcm4TlvDq8ikWAM"}`,
		`{"input":"` + strings.Repeat("x", 10000) + `"}`,
	} {
		if a := wiretest.Post(t, s.URL()+"/v1/audio/speech", body); a.Status != http.StatusOK {
			t.Errorf("%.60s: status %d", body, a.Status)
		}
	}
	if a := wiretest.Get(t, s.URL()+"/audio/x?response_format=ogg"); a.Status != http.StatusBadRequest {
		t.Errorf("by URL: status %d", a.Status)
	}
	simulatortest.Script(t, s, simulator.Rule{Kind: simulator.KindSpeech, Fault: "accept_openai_audio"})
	if a := wiretest.Post(t, s.URL()+"/v1/audio/speech", `{"input":"x","model":"openai-audio","voice":"nova"}`); a.Status != http.StatusOK {
		t.Errorf("openai-audio accepted: status %d", a.Status)
	}
}
