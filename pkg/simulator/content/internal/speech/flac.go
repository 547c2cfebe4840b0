package speech

import (
	"crypto/md5" //nolint:gosec // The format asks for it; nothing is protected by it.
	"encoding/binary"
	"math/bits"
)

const (
	flacBlock    = 1152 // samples of a frame
	flacOrders   = 5    // number of fixed predictors, which use the last 0 to 4 samples
	flacMaxParam = 14   // largest number of bits below the unary part of a residual
)

// flac synthesizes a plan as a FLAC file, with fixed predictors and one Rice
// parameter per frame. It is a third of the size of the samples.
func flac(plan []int, speaker int) []byte {
	samples := pcm(plan, speaker, 0)
	count := len(samples) / 2
	out := append(make([]byte, 0, len(samples)/2), "fLaC"...)
	out = append(out, 0x80, 0, 0, 34) // STREAMINFO is the last metadata block.
	out = binary.BigEndian.AppendUint16(out, flacBlock)
	out = binary.BigEndian.AppendUint16(out, flacBlock)
	out = append(out, 0, 0, 0, 0, 0, 0) // The sizes of the frames are unknown.
	// 20 bits of rate, 3 of channels minus one, 5 of sample size minus one, 36 of length.
	out = binary.BigEndian.AppendUint64(out, pcmRate<<44|15<<36|uint64(count))
	sum := md5.Sum(samples) //nolint:gosec // See the import.
	out = append(out, sum[:]...)
	block := make([]int32, 0, flacBlock)
	for number := 0; number*flacBlock < count; number++ {
		block = block[:0]
		for at := number * flacBlock; at < min(count, (number+1)*flacBlock); at++ {
			block = append(block, int32(int16(binary.LittleEndian.Uint16(samples[2*at:])))) //nolint:gosec // The format is two's complement.
		}
		out = appendFLACFrame(out, number, block)
	}
	return out
}

// appendFLACFrame encodes one frame.
func appendFLACFrame(out []byte, number int, block []int32) []byte {
	begin := len(out)
	size := byte(3) // 1152 samples
	if len(block) != flacBlock {
		size = 7 // Given in 16 bits at the end of the header.
	}
	const rate24k, mono16 = 7, 0x08
	out = append(out, 0xff, 0xf8, size<<4|rate24k, mono16)
	out = appendFrameNumber(out, number)
	if size == 7 {
		out = binary.BigEndian.AppendUint16(out, uint16(len(block)-1)) //nolint:gosec // At most a block.
	}
	out = append(out, crc8(out[begin:]))
	w := &bitWriter{out: out}
	w.subframe(block)
	w.align()
	return binary.BigEndian.AppendUint16(w.out, crc16(w.out[begin:]))
}

// appendFrameNumber encodes the number of a frame like UTF-8, but without the
// gap for surrogates.
func appendFrameNumber(out []byte, number int) []byte {
	if number < 0x80 {
		return append(out, byte(number)) //nolint:gosec // See the condition.
	}
	more := 1 // bytes of six bits after the first
	for number >= 1<<(5*more+6) {
		more++
	}
	out = append(out, byte(0xff<<(7-more)|number>>(6*more))) //nolint:gosec // Only the low byte is kept.
	for more--; more >= 0; more-- {
		out = append(out, 0x80|byte(number>>(6*more)&0x3f))
	}
	return out
}

// subframe writes the samples with the predictor that has the smallest residual.
func (w *bitWriter) subframe(block []int32) {
	order, residual := predict(block)
	if residual == nil {
		w.put(0, 8)                         // A constant.
		w.put(uint64(uint16(block[0])), 16) //nolint:gosec // The format is two's complement.
		return
	}
	w.put(uint64(0x08|order)<<1, 8) //nolint:gosec // At most four.
	for _, sample := range block[:order] {
		w.put(uint64(uint16(sample)), 16) //nolint:gosec // As above.
	}
	var sum uint64
	for _, r := range residual {
		sum += uint64(zigzag(r))
	}
	param := 0
	if n := uint64(len(residual)); n > 0 && sum > n {
		param = min(bits.Len64(sum/n)-1, flacMaxParam)
	}
	w.put(0, 6) // Rice codes in one partition.
	w.put(uint64(param), 4)
	for _, r := range residual {
		z := zigzag(r)
		for range z >> param {
			w.put(0, 1)
		}
		w.put(1, 1)
		w.put(uint64(z&(1<<param-1)), param)
	}
}

// predict returns the order of the best fixed predictor and its residual, which
// is nil when all samples are equal.
func predict(block []int32) (order int, residual []int32) {
	constant := true
	for _, sample := range block {
		constant = constant && sample == block[0]
	}
	if constant {
		return 0, nil
	}
	best := uint64(1) << 62
	current := block
	for n := range min(flacOrders, len(block)) {
		if n > 0 {
			next := make([]int32, len(current)-1)
			for i := range next {
				next[i] = current[i+1] - current[i]
			}
			current = next
		}
		var sum uint64
		for _, r := range current {
			sum += uint64(zigzag(r))
		}
		if sum < best {
			best, order, residual = sum, n, current
		}
	}
	return order, residual
}

// zigzag maps small numbers of either sign to small unsigned numbers.
func zigzag(v int32) uint32 { return uint32(v<<1) ^ uint32(v>>31) } //nolint:gosec // The overflow is intended.

// bitWriter appends bits, the highest one first.
type bitWriter struct {
	out  []byte
	held uint64
	n    int // bits in held, below 8 between calls
}

func (w *bitWriter) put(v uint64, n int) {
	w.held = w.held<<n | v
	for w.n += n; w.n >= 8; {
		w.n -= 8
		w.out = append(w.out, byte(w.held>>w.n)) //nolint:gosec // Only the low byte is kept.
	}
}

// align fills the last byte with zeros.
func (w *bitWriter) align() {
	if w.n > 0 {
		w.put(0, 8-w.n)
	}
}

// crc8 is the checksum of a frame header.
func crc8(data []byte) byte {
	var sum byte
	for _, b := range data {
		sum ^= b
		for range 8 {
			high := sum&0x80 != 0
			if sum <<= 1; high {
				sum ^= 0x07
			}
		}
	}
	return sum
}

// crc16 is the checksum of a frame.
func crc16(data []byte) uint16 {
	var sum uint16
	for _, b := range data {
		sum ^= uint16(b) << 8
		for range 8 {
			high := sum&0x8000 != 0
			if sum <<= 1; high {
				sum ^= 0x8005
			}
		}
	}
	return sum
}
