package speech

import (
	"encoding/binary"
	"hash/fnv"
)

// opusSkip is the number of samples that a decoder drops at the beginning.
const opusSkip = 312

// The flags of an Ogg page.
const (
	oggFirst byte = 2 // the first page of the stream
	oggLast  byte = 4 // the last one
)

// oggWriter writes the pages of a stream.
type oggWriter struct {
	out    []byte
	serial uint32
	pages  uint32
}

// page writes complete packets; granule is the number of samples up to the end
// of the page. The packets must be shorter than 255 segments of 255 bytes, which
// a second of speech is by far.
func (w *oggWriter) page(packets [][]byte, granule uint64, flag byte) {
	begin := len(w.out)
	w.out = append(w.out, 'O', 'g', 'g', 'S', 0, flag)
	w.out = binary.LittleEndian.AppendUint64(w.out, granule)
	w.out = binary.LittleEndian.AppendUint32(w.out, w.serial)
	w.out = binary.LittleEndian.AppendUint32(w.out, w.pages)
	w.pages++
	w.out = append(w.out, 0, 0, 0, 0) // The checksum is filled in last.
	var lacing []byte
	for _, packet := range packets {
		for size := len(packet); size >= 0; size -= 255 {
			lacing = append(lacing, byte(min(size, 255)))
		}
	}
	w.out = append(w.out, byte(len(lacing))) //nolint:gosec // See above.
	w.out = append(w.out, lacing...)
	for _, packet := range packets {
		w.out = append(w.out, packet...)
	}
	binary.LittleEndian.PutUint32(w.out[begin+22:], oggSum(w.out[begin:]))
}

// oggSum is the CRC-32 of a page, with the usual polynomial but without
// reflection or inversion.
func oggSum(page []byte) uint32 {
	var sum uint32
	for _, b := range page {
		sum ^= uint32(b) << 24
		for range 8 {
			high := sum&(1<<31) != 0
			if sum <<= 1; high {
				sum ^= 0x04c11db7
			}
		}
	}
	return sum
}

// ogg writes packets of Opus as an Ogg file.
func ogg(packets [][]byte) []byte {
	head := append([]byte("OpusHead"), 1, 1) // version, mono
	head = binary.LittleEndian.AppendUint16(head, opusSkip)
	head = binary.LittleEndian.AppendUint32(head, opusRate)
	head = append(head, 0, 0, 0) // No gain, and the simplest channel mapping.
	const vendor = "simulator"
	tags := binary.LittleEndian.AppendUint32([]byte("OpusTags"), uint32(len(vendor)))
	tags = append(tags, vendor...)
	tags = binary.LittleEndian.AppendUint32(tags, 0)

	hash := fnv.New32a()
	for _, packet := range packets {
		_, _ = hash.Write(packet)
	}
	w := &oggWriter{serial: hash.Sum32()}
	w.page([][]byte{head}, 0, oggFirst)
	w.page([][]byte{tags}, 0, 0)
	const perPage = 50 // One second, as encoders do.
	for done := 0; done < len(packets); done += perPage {
		end, flag := done+perPage, byte(0)
		if end >= len(packets) {
			end, flag = len(packets), oggLast
		}
		w.page(packets[done:end], uint64(end*opusSamples), flag)
	}
	return w.out
}
