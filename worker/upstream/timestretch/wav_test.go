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

// part returns a part of a file under the given name, whose stated length need not be the true one.
func part(name string, stated int, body []byte) []byte {
	out := binary.LittleEndian.AppendUint32([]byte(name), uint32(stated))
	return append(out, body...)
}

// description returns the body of a part that describes samples.
func description(format, channels, rate, bits int, more ...byte) []byte {
	out := binary.LittleEndian.AppendUint16(nil, uint16(format))
	out = binary.LittleEndian.AppendUint16(out, uint16(channels))
	out = binary.LittleEndian.AppendUint32(out, uint32(rate))
	out = binary.LittleEndian.AppendUint32(out, uint32(rate*channels*bits/8))
	out = binary.LittleEndian.AppendUint16(out, uint16(channels*bits/8))
	out = binary.LittleEndian.AppendUint16(out, uint16(bits))
	return append(out, more...)
}

func file(parts ...[]byte) []byte {
	body := bytes.Join(parts, nil)
	return append(part("RIFF", len(body)+4, []byte("WAVE")), body...)
}

func TestParseWAV(t *testing.T) {
	t.Parallel()
	plain := part("fmt ", 16, description(1, 1, 24000, 16))
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
		{"plain", file(plain, part("data", 6, samples)), 24000, 1, want},
		{"stereo", file(part("fmt ", 16, description(1, 2, 44100, 16)), part("data", 4, samples[:4])), 44100, 2, want[:2]},
		{"stereo with half a frame", file(part("fmt ", 16, description(1, 2, 44100, 16)), part("data", 6, samples)), 44100, 2, want[:2]},
		{"half a sample", file(plain, part("data", 5, samples[:5])), 24000, 1, want[:2]},
		{"extended description", file(part("fmt ", 40, description(0xfffe, 1, 8000, 16, extended...)), part("data", 6, samples)), 8000, 1, want},
		{"description with an empty extension", file(part("fmt ", 18, description(1, 1, 8000, 16, 0, 0)), part("data", 6, samples)), 8000, 1, want},
		{"other parts, one of odd length", file(part("LIST", 3, []byte("abc\x00")), plain, part("fact", 4, make([]byte, 4)), part("data", 6, samples)), 24000, 1, want},
		{"parts behind the samples", file(plain, part("data", 6, samples), part("LIST", 4, []byte("abcd"))), 24000, 1, want},
		{"length of a stream", file(plain, part("data", 0xffffffff, samples)), 24000, 1, want},
		{"length not filled in", file(plain, part("data", 0, samples)), 24000, 1, want},
		{"cut off", file(plain, part("data", 600, samples)), 24000, 1, want},
		{"no samples", file(plain, part("data", 0, nil)), 24000, 1, nil},
		{"empty", nil, 0, 0, nil},
		{"another RIFF", part("RIFF", 4, []byte("WEBP")), 0, 0, nil},
		{"mp3", []byte("ID3\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00"), 0, 0, nil},
		{"no parts", file(), 0, 0, nil},
		{"no description", file(part("data", 6, samples)), 0, 0, nil},
		{"no data", file(plain), 0, 0, nil},
		{"short description", file(part("fmt ", 4, make([]byte, 4)), part("data", 6, samples)), 0, 0, nil},
		{"floats", file(part("fmt ", 16, description(3, 1, 24000, 32)), part("data", 6, samples)), 0, 0, nil},
		{"24 bits", file(part("fmt ", 16, description(1, 1, 24000, 24)), part("data", 6, samples)), 0, 0, nil},
		{"no channels", file(part("fmt ", 16, description(1, 0, 24000, 16)), part("data", 6, samples)), 0, 0, nil},
		{"six channels", file(part("fmt ", 16, description(1, 6, 24000, 16)), part("data", 6, samples)), 0, 0, nil},
		{"impossible rate", file(part("fmt ", 16, description(1, 1, 1<<30, 16)), part("data", 6, samples)), 0, 0, nil},
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
				t.Errorf("written and read again: %+v, %v", again, err)
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
	plain := part("fmt ", 16, description(1, 1, 8000, 16))
	f.Add(file(plain, part("data", 6, make([]byte, 6))), 1.5)
	f.Add(file(part("fmt ", 16, description(1, 2, 1000, 16)), part("data", 0xffffffff, make([]byte, 400))), 0.25)
	f.Add(file(part("LIST", 0xfffffff1, nil), plain), 4.0)
	f.Add(file(part("fmt ", 40, description(0xfffe, 1, 8000, 16)), part("data", 2, nil)), 0.5)
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
			t.Errorf("result cannot be read: %v", err)
		}
	})
}
