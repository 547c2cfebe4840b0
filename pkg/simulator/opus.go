package simulator

import (
	_ "embed"
	"encoding/binary"
	"hash/fnv"
)

// opusBytes holds every syllable of every speaker as packets of Opus, each
// behind its length in two bytes, and a silent packet at the end.
// TestEncodeOpusClips makes it from the synthesizer in waveform.go.
//
//go:embed assets/clips.opus
var opusBytes []byte

const (
	opusRate    = 48000
	opusSamples = 960 // of a packet
	opusFrames  = 9   // packets of a syllable
	opusSkip    = 312 // samples that a decoder drops at the beginning
)

// loadOpus cuts the embedded packets at their lengths.
func loadOpus() *strip {
	var packets [][]byte
	for data := opusBytes; len(data) > 0; {
		size := 2 + int(binary.BigEndian.Uint16(data))
		packets = append(packets, data[2:size:size])
		data = data[size:]
	}
	return cutStrip(opusRate, opusSamples, opusFrames, packets)
}

// opus strings packets together within an Ogg file.
func (c *clips) opus(plan []int, speaker int) []byte {
	head := append([]byte("OpusHead"), 1, 1) // The version, and mono.
	head = binary.LittleEndian.AppendUint16(head, opusSkip)
	head = binary.LittleEndian.AppendUint32(head, opusRate)
	head = append(head, 0, 0, 0) // No gain, and the simplest layout of channels.
	const vendor = "simulator"
	tags := binary.LittleEndian.AppendUint32([]byte("OpusTags"), uint32(len(vendor)))
	tags = append(tags, vendor...)
	tags = binary.LittleEndian.AppendUint32(tags, 0)

	packets := c.packets.utter(plan, speaker)
	hash := fnv.New32a()
	for _, packet := range packets {
		_, _ = hash.Write(packet)
	}
	w := &oggWriter{serial: hash.Sum32()}
	w.page([][]byte{head}, 0, oggFirst)
	w.page([][]byte{tags}, 0, 0)
	const perPage = 50 // A second, as encoders do.
	for done := 0; done < len(packets); done += perPage {
		end, flag := done+perPage, byte(0)
		if end >= len(packets) {
			end, flag = len(packets), oggLast
		}
		w.page(packets[done:end], uint64(end*opusSamples), flag)
	}
	return w.out
}
