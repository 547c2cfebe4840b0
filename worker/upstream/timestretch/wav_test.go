package timestretch_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/text2image-audio/text2image-audio/worker/upstream/timestretch"
)

// chunk returns a chunk of a file. Its length in the header may be wrong.
func chunk(name string, length int, body []byte) []byte {
	out := binary.LittleEndian.AppendUint32([]byte(name), uint32(length))
	return append(out, body...)
}

// format returns the body of a fmt chunk.
func format(tag, channels, rate, bits int, more ...byte) []byte {
	out := binary.LittleEndian.AppendUint16(nil, uint16(tag))
	out = binary.LittleEndian.AppendUint16(out, uint16(channels))
	out = binary.LittleEndian.AppendUint32(out, uint32(rate))
	out = binary.LittleEndian.AppendUint32(out, uint32(rate*channels*bits/8))
	out = binary.LittleEndian.AppendUint16(out, uint16(channels*bits/8))
	out = binary.LittleEndian.AppendUint16(out, uint16(bits))
	return append(out, more...)
}

func file(chunks ...[]byte) []byte {
	body := bytes.Join(chunks, nil)
	return append(chunk("RIFF", len(body)+4, []byte("WAVE")), body...)
}

func TestParseWAV(t *testing.T) {
	t.Parallel()
	plain := chunk("fmt ", 16, format(1, 1, 24000, 16))
	samples := []byte{1, 0, 0xff, 0xff, 0, 0x80}
	want := []int16{1, -1, -32768}
	extended := append([]byte{22, 0, 16, 0, 4, 0, 0, 0, 1, 0}, make([]byte, 14)...)
	rows := []struct {
		name     string
		data     []byte
		rate     int
		channels int
		samples  []int16
	}{
		{"plain", file(plain, chunk("data", 6, samples)), 24000, 1, want},
		{"stereo", file(chunk("fmt ", 16, format(1, 2, 44100, 16)), chunk("data", 4, samples[:4])), 44100, 2, want[:2]},
		{"stereo with half a frame", file(chunk("fmt ", 16, format(1, 2, 44100, 16)), chunk("data", 6, samples)), 44100, 2, want[:2]},
		{"half a sample", file(plain, chunk("data", 5, samples[:5])), 24000, 1, want[:2]},
		{"extensible format", file(chunk("fmt ", 40, format(0xfffe, 1, 8000, 16, extended...)), chunk("data", 6, samples)), 8000, 1, want},
		{"format with an empty extension", file(chunk("fmt ", 18, format(1, 1, 8000, 16, 0, 0)), chunk("data", 6, samples)), 8000, 1, want},
		{"other chunks, one of odd length", file(chunk("LIST", 3, []byte("abc\x00")), plain, chunk("fact", 4, make([]byte, 4)), chunk("data", 6, samples)), 24000, 1, want},
		{"chunks after the samples", file(plain, chunk("data", 6, samples), chunk("LIST", 4, []byte("abcd"))), 24000, 1, want},
		{"length of a stream", file(plain, chunk("data", 0xffffffff, samples)), 24000, 1, want},
		{"length not filled in", file(plain, chunk("data", 0, samples)), 24000, 1, want},
		{"cut off", file(plain, chunk("data", 600, samples)), 24000, 1, want},
		{"no samples", file(plain, chunk("data", 0, nil)), 24000, 1, nil},
		{"empty", nil, 0, 0, nil},
		{"another RIFF", chunk("RIFF", 4, []byte("WEBP")), 0, 0, nil},
		{"mp3", []byte("ID3\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00"), 0, 0, nil},
		{"no chunks", file(), 0, 0, nil},
		{"no format", file(chunk("data", 6, samples)), 0, 0, nil},
		{"no data", file(plain), 0, 0, nil},
		{"short format", file(chunk("fmt ", 4, make([]byte, 4)), chunk("data", 6, samples)), 0, 0, nil},
		{"floats", file(chunk("fmt ", 16, format(3, 1, 24000, 32)), chunk("data", 6, samples)), 0, 0, nil},
		{"24 bits", file(chunk("fmt ", 16, format(1, 1, 24000, 24)), chunk("data", 6, samples)), 0, 0, nil},
		{"no channels", file(chunk("fmt ", 16, format(1, 0, 24000, 16)), chunk("data", 6, samples)), 0, 0, nil},
		{"six channels", file(chunk("fmt ", 16, format(1, 6, 24000, 16)), chunk("data", 6, samples)), 0, 0, nil},
		{"invalid rate", file(chunk("fmt ", 16, format(1, 1, 1<<30, 16)), chunk("data", 6, samples)), 0, 0, nil},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			got, err := timestretch.ParseWAV(r.data)
			if r.rate == 0 {
				if !errors.Is(err, timestretch.ErrFormat) || got != nil {
					t.Errorf("got %+v, %v", got, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.Rate != r.rate || got.Channels != r.channels || !slices.Equal(got.Samples, r.samples) {
				t.Errorf("got %+v", got)
			}
			again, err := timestretch.ParseWAV(got.WAV())
			if err != nil || again.Rate != r.rate || again.Channels != r.channels || !slices.Equal(again.Samples, r.samples) {
				t.Errorf("written and parsed: %+v, %v", again, err)
			}
		})
	}
}

func TestPCM(t *testing.T) {
	t.Parallel()
	s := timestretch.Sound{Rate: 8000, Channels: 1, Samples: []int16{1, -1, -32768}}
	if got := s.PCM(); !bytes.Equal(got, []byte{1, 0, 0xff, 0xff, 0, 0x80}) {
		t.Errorf("got % x", got)
	}
}

func FuzzParseWAV(f *testing.F) {
	plain := chunk("fmt ", 16, format(1, 1, 8000, 16))
	f.Add(file(plain, chunk("data", 6, make([]byte, 6))), 1.5)
	f.Add(file(chunk("fmt ", 16, format(1, 2, 1000, 16)), chunk("data", 0xffffffff, make([]byte, 400))), 0.25)
	f.Add(file(chunk("LIST", 0xfffffff1, nil), plain), 4.0)
	f.Add(file(chunk("fmt ", 40, format(0xfffe, 1, 8000, 16)), chunk("data", 2, nil)), 0.5)
	f.Fuzz(func(t *testing.T, data []byte, speed float64) {
		s, err := timestretch.ParseWAV(data)
		if err != nil {
			if !errors.Is(err, timestretch.ErrFormat) {
				t.Errorf("unexpected %v", err)
			}
			return
		}
		if s.Channels < 1 || s.Channels > 2 || len(s.Samples)%s.Channels != 0 || 2*len(s.Samples) > len(data) {
			t.Fatalf("rate %d, %d channels, %d samples of %d bytes", s.Rate, s.Channels, len(s.Samples), len(data))
		}
		out, err := s.Stretch(context.Background(), speed)
		if err != nil {
			return
		}
		if again, err := timestretch.ParseWAV(out.WAV()); err != nil || !slices.Equal(again.Samples, out.Samples) {
			t.Errorf("result cannot be parsed: %v", err)
		}
	})
}
