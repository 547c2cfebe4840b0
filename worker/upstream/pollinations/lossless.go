package pollinations

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // The format requires it; it protects nothing.
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/mewkiz/flac"
	flacframe "github.com/mewkiz/flac/frame"
	"github.com/mewkiz/flac/meta"

	"github.com/text2image-audio/text2image-audio/worker/upstream/timestretch"
)

const (
	flacBlock = 4096 // samples per channel of a FLAC frame
	flacBits  = 16   // bits of a sample
)

// returnsPCM reports whether a speech model is one of ElevenLabs, under any name. For them the gateway returns raw PCM
// samples with an unknown rate instead of FLAC.
func returnsPCM(model string) bool {
	model = strings.ToLower(model)
	switch model {
	case "tts", "tts-1", "tts-1-hd":
		return true
	}
	return strings.HasPrefix(model, "eleven")
}

// compressFLAC encodes a WAV file as FLAC; any other data is left unchanged, with its content type. It takes CPU time and
// memory for the original and the result, for which it waits for the client's budget. It fails if ctx ends.
func (c *Client) compressFLAC(ctx context.Context, m *Media) error {
	samples, rate, channels, err := timestretch.RawPCM(m.Data)
	if err != nil || len(samples) == 0 {
		return nil //nolint:nilerr // Other data is left unchanged.
	}
	hold := c.budget.NewReservation()
	defer hold.Release()
	if err := hold.Grow(ctx, 2*int64(len(m.Data))); err != nil {
		return contextError(ctx, err)
	}
	data, err := encodeFLAC(ctx, samples, rate, channels)
	if ctx.Err() != nil {
		return contextError(ctx, ctx.Err())
	}
	if err != nil {
		return unusableSpeech("audio cannot be encoded as FLAC")
	}
	m.ContentType, m.Data = "audio/flac", data
	return nil
}

// encodeFLAC encodes little-endian 16-bit samples of one or two interleaved channels. The stream info is known in
// advance, so the header need not be rewritten.
func encodeFLAC(ctx context.Context, samples []byte, rate, channels int) ([]byte, error) {
	count := len(samples) / (2 * channels)
	out := bytes.NewBuffer(make([]byte, 0, len(samples)/2))
	//nolint:gosec // The numbers were bounded when the file was read; the format requires the MD5 sum.
	enc, err := flac.NewEncoder(out, &meta.StreamInfo{
		BlockSizeMin: flacBlock, BlockSizeMax: flacBlock, SampleRate: uint32(rate), NChannels: uint8(channels),
		BitsPerSample: flacBits, NSamples: uint64(count), MD5sum: md5.Sum(samples),
	})
	if err != nil {
		return nil, fmt.Errorf("begin FLAC: %w", err)
	}
	sides := flacframe.ChannelsMono
	if channels == 2 {
		sides = flacframe.ChannelsLR
	}
	for at := 0; at < count; at += flacBlock {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		size := min(flacBlock, count-at)
		f := &flacframe.Frame{Header: flacframe.Header{
			HasFixedBlockSize: true, BlockSize: uint16(size), SampleRate: uint32(rate), //nolint:gosec // See above.
			Channels: sides, BitsPerSample: flacBits,
		}}
		for channel := range channels {
			block := make([]int32, size)
			for i := range block {
				//nolint:gosec // The bits of a sample are reinterpreted.
				block[i] = int32(int16(binary.LittleEndian.Uint16(samples[2*((at+i)*channels+channel):])))
			}
			f.Subframes = append(f.Subframes, &flacframe.Subframe{
				SubHeader: flacframe.SubHeader{Pred: flacframe.PredVerbatim}, Samples: block, NSamples: size,
			})
		}
		if err := enc.WriteFrame(f); err != nil {
			return nil, fmt.Errorf("write FLAC: %w", err)
		}
	}
	return out.Bytes(), nil
}
