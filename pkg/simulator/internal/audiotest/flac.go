package audiotest

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"github.com/mewkiz/flac"
)

// DecodeFLAC decodes a FLAC file of one channel of 16 bits at 24 kHz. It checks every
// checksum and the number of samples.
func DecodeFLAC(tb testing.TB, data []byte) []int16 {
	tb.Helper()
	stream, err := flac.New(bytes.NewReader(data))
	if err != nil {
		tb.Fatal(err)
	}
	info := stream.Info
	if info.SampleRate != 24000 || info.NChannels != 1 || info.BitsPerSample != 16 || info.BlockSizeMin != info.BlockSizeMax {
		tb.Fatalf("stream info %+v", info)
	}
	var samples []int16
	var raw []byte
	for number := uint64(0); ; number++ {
		frame, err := stream.ParseNext()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || frame.Num != number {
			tb.Fatalf("frame %d: %v", number, err)
		}
		for _, v := range frame.Subframes[0].Samples {
			samples = append(samples, int16(v))
			raw = binary.LittleEndian.AppendUint16(raw, uint16(v))
		}
	}
	if sum := md5.Sum(raw); uint64(len(samples)) != info.NSamples || sum != info.MD5sum {
		tb.Fatalf("%d samples of %d, sum % x", len(samples), info.NSamples, sum)
	}
	return samples
}
