package speech

import (
	"bytes"
	"crypto/md5" //nolint:gosec // Required by the format; it protects nothing.
	"encoding/binary"
	"slices"

	"github.com/mewkiz/flac"
	"github.com/mewkiz/flac/frame"
	"github.com/mewkiz/flac/meta"
)

const flacBlock = 1152 // samples of a frame

// encodeFLAC synthesizes a plan as a FLAC file. It is a third of the size of the samples.
func encodeFLAC(plan []int, speaker int) []byte {
	raw := pcm(plan, speaker, 0)
	samples := make([]int32, len(raw)/2)
	for n := range samples {
		samples[n] = int32(int16(binary.LittleEndian.Uint16(raw[2*n:]))) //nolint:gosec // The format is two's complement.
	}
	var out bytes.Buffer
	encoder, err := flac.NewEncoder(&out, &meta.StreamInfo{
		BlockSizeMin: flacBlock, BlockSizeMax: flacBlock, SampleRate: pcmRate, NChannels: 1, BitsPerSample: 16,
		NSamples: uint64(len(samples)), MD5sum: md5.Sum(raw), //nolint:gosec // See the import.
	})
	if err != nil {
		panic("begin flac: " + err.Error()) // The parameters are constants.
	}
	for block := range slices.Chunk(samples, flacBlock) {
		err := encoder.WriteFrame(&frame.Frame{
			Header: frame.Header{
				HasFixedBlockSize: true, BlockSize: uint16(len(block)), SampleRate: pcmRate, Channels: frame.ChannelsMono, BitsPerSample: 16, //nolint:gosec // At most flacBlock.
			},
			Subframes: []*frame.Subframe{{SubHeader: frame.SubHeader{Pred: frame.PredVerbatim}, Samples: block, NSamples: len(block)}},
		})
		if err != nil {
			panic("write flac: " + err.Error()) // Writing to a buffer never fails.
		}
	}
	return out.Bytes()
}
