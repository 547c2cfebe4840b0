package simulator

import "encoding/binary"

// The marks of an Ogg page.
const (
	oggFirst byte = 2 // the first page of the stream
	oggLast  byte = 4 // the last one
)

// oggWriter writes the pages of one stream.
type oggWriter struct {
	out    []byte
	serial uint32
	pages  uint32
}

// page writes packets, each of which begins and ends within the page; granule
// is how many samples end in it. Packets must come to less than 255 segments
// of 255 bytes, which a second of speech is far from.
func (w *oggWriter) page(packets [][]byte, granule uint64, flag byte) {
	begin := len(w.out)
	w.out = append(w.out, 'O', 'g', 'g', 'S', 0, flag)
	w.out = binary.LittleEndian.AppendUint64(w.out, granule)
	w.out = binary.LittleEndian.AppendUint32(w.out, w.serial)
	w.out = binary.LittleEndian.AppendUint32(w.out, w.pages)
	w.pages++
	w.out = append(w.out, 0, 0, 0, 0) // The sum comes last.
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

// oggSum is the sum over a page: the usual polynomial, but the highest bit
// first and nothing turned over.
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
