package pollinations_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream/pollinations"
	"github.com/text2image-audio/text2image-audio/worker/upstream/upstreamtest"
)

func TestCheckImage(t *testing.T) {
	t.Parallel()
	jpg, drawn, small := jpegOf(t, 61, 43), pngOf(t, 19, 23), webpOf(t)
	bomb := slices.Clone(drawn)
	copy(bomb[16:], []byte{0, 1, 0, 0, 0, 1, 0, 0})
	binary.BigEndian.PutUint32(bomb[29:], crc32.ChecksumIEEE(bomb[12:29]))
	rows := []struct {
		name          string
		data          []byte
		contentType   string
		width, height int
		class         fault.Class
	}{
		{name: "jpeg", data: jpg, contentType: "image/jpeg", width: 61, height: 43},
		{name: "jpeg with padding after it", data: append(slices.Clone(jpg), make([]byte, 100)...), contentType: "image/jpeg", width: 61, height: 43},
		{name: "png", data: drawn, contentType: "image/png", width: 19, height: 23},
		{name: "webp", data: small, contentType: "image/webp", width: 1, height: 1},
		{name: "jpeg cut", data: jpg[:len(jpg)-20], class: fault.Retryable},
		{name: "jpeg cut by one byte", data: jpg[:len(jpg)-1], class: fault.Retryable},
		{name: "jpeg header only", data: jpg[:3], class: fault.Retryable},
		{name: "png cut", data: drawn[:len(drawn)-4], class: fault.Retryable},
		{name: "png of four thousand megapixels", data: bomb, class: fault.Retryable},
		{name: "webp cut", data: small[:len(small)-2], class: fault.Retryable},
		{name: "empty", data: nil, class: fault.Retryable},
		{name: "page", data: []byte("<!DOCTYPE html><html></html>"), class: fault.Retryable},
		{name: "gif", data: []byte("GIF89a\x01\x00\x01\x00"), class: fault.Retryable},
		{name: "svg", data: []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`), class: fault.Permanent},
		{name: "svg after a declaration", data: []byte("\ufeff \n<?xml version=\"1.0\"?>\n<svg/>"), class: fault.Permanent},
		{name: "audio", data: mp3Of(3), class: fault.Retryable},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			got, err := pollinations.CheckImage(r.data)
			if r.class != "" {
				code := job.CodeInvalidAnswer
				if r.class == fault.Permanent {
					code = job.CodeUnusable
				}
				upstreamtest.RequireError(t, err, r.class, code)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.ContentType != r.contentType || got.Width != r.width || got.Height != r.height || !bytes.Equal(got.Data, r.data) {
				t.Errorf("got %s %dx%d", got.ContentType, got.Width, got.Height)
			}
		})
	}
}

func TestCheckSpeech(t *testing.T) {
	t.Parallel()
	slow := bytes.Repeat(append([]byte{0xff, 0xf3, 0x80, 0xc4}, make([]byte, 204)...), 2)
	uneven := append(mp3Of(1), slow...)
	rows := []struct {
		name        string
		data        []byte
		format      string
		contentType string
	}{
		{"mp3", mp3Of(4), "mp3", "audio/mpeg"},
		{"mp3 of two frames", mp3Of(2), "mp3", "audio/mpeg"},
		{"mp3 of half the rate", slow, "mp3", "audio/mpeg"},
		{"mp3 after a tag", tagged(300, mp3Of(3)), "mp3", "audio/mpeg"},
		{"mp3 after two tags and padding", tagged(7, tagged(2000, append(make([]byte, 50), mp3Of(3)...))), "mp3", "audio/mpeg"},
		{"wav", wavOf(100, -1), "wav", "audio/wav"},
		{"wav instead of mp3", wavOf(100, -1), "mp3", "audio/wav"},
		{"wav of a streaming writer", wavOf(100, 0xffffffff), "wav", "audio/wav"},
		{"wav without a length", wavOf(100, 0), "wav", "audio/wav"},
		{"opus", append([]byte("OggS\x00\x02"), make([]byte, 60)...), "opus", "audio/ogg"},
		{"flac", append([]byte("fLaC"), make([]byte, 60)...), "flac", "audio/flac"},
		{"aac", aacOf(2), "aac", "audio/aac"},
		{"pcm", bytes.Repeat([]byte{0, 1, 0xff, 0xfe}, 200), "pcm", "audio/pcm"},

		{"empty", nil, "mp3", ""},
		{"one frame", mp3Of(1), "mp3", ""},
		{"frames that disagree", uneven, "mp3", ""},
		{"tag longer than the data", tagged(300, nil)[:100], "mp3", ""},
		{"only a tag", tagged(30, nil), "mp3", ""},
		{"sync bits and then text", append([]byte{0xff, 0xfb, 0x90, 0xc4}, strings.Repeat("text ", 200)...), "mp3", ""},
		{"page", []byte("<!DOCTYPE html><html></html>"), "mp3", ""},
		{"envelope", []byte(`{"error":"x"}`), "mp3", ""},
		{"wav cut", wavOf(100, -1)[:150], "wav", ""},
		{"samples instead of mp3", bytes.Repeat([]byte{0, 1, 0xff, 0xfe}, 200), "mp3", ""},
		{"samples cut in half", bytes.Repeat([]byte{0, 1, 0xff}, 201), "pcm", ""},
		{"text instead of samples", []byte("Generation failed. "), "pcm", ""},
		{"image", jpegOf(t, 20, 20), "mp3", ""},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			got, err := pollinations.CheckSpeech(r.data, r.format)
			if r.contentType == "" {
				upstreamtest.RequireError(t, err, fault.Retryable, job.CodeInvalidAnswer)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.ContentType != r.contentType {
				t.Errorf("got %s, want %s", got.ContentType, r.contentType)
			}
		})
	}
}

func FuzzMedia(f *testing.F) {
	for _, seed := range [][]byte{
		jpegOf(f, 9, 9), pngOf(f, 9, 9), webpOf(f), mp3Of(2), tagged(9, mp3Of(2)), wavOf(9, -1), aacOf(2),
		[]byte("<svg/>"), []byte("OggS\x00"), []byte("fLaC"),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		pollinations.SniffImage(data)
		if got, err := pollinations.CheckImage(data); err == nil && (got.Width <= 0 || got.Height <= 0 || got.ContentType == "") {
			t.Errorf("accepted %+v", got)
		}
		for _, format := range []string{"mp3", "pcm"} {
			if got, err := pollinations.CheckSpeech(data, format); err == nil && got.ContentType == "" {
				t.Error("accepted without a type")
			}
		}
	})
}
