package audiotest

import (
	"crypto/md5"
	"encoding/binary"
	"testing"
)

// bitReader reads bits, the highest one first.
type bitReader struct {
	data []byte
	at   int // bits
}

func (r *bitReader) read(n int) (v uint64) {
	for range n {
		v = v<<1 | uint64(r.data[r.at/8]>>(7-r.at%8)&1)
		r.at++
	}
	return v
}

// DecodeFLAC decodes the part of the format that the simulator uses: one channel
// of 16 bits, constants and fixed predictors, one partition. It checks every
// checksum.
func DecodeFLAC(tb testing.TB, data []byte) []int16 {
	tb.Helper()
	if string(data[:8]) != "fLaC\x80\x00\x00\x22" {
		tb.Fatalf("it begins with % x", data[:8])
	}
	info := &bitReader{data: data[8:42]}
	block := int(info.read(16))
	if info.read(16) != uint64(block) || info.read(48) != 0 || info.read(20) != 24000 || info.read(3) != 0 || info.read(5) != 15 {
		tb.Fatalf("STREAMINFO % x", info.data)
	}
	length := int(info.read(36))
	var samples []int16
	for rest, number := data[42:], 0; len(rest) > 0; number++ {
		frame, used := decodeFrame(tb, rest, number, block)
		samples, rest = append(samples, frame...), rest[used:]
	}
	var raw []byte
	for _, v := range samples {
		raw = binary.LittleEndian.AppendUint16(raw, uint16(v))
	}
	if sum := md5.Sum(raw); len(samples) != length || string(sum[:]) != string(info.data[18:]) {
		tb.Fatalf("%d samples of %d, sum % x", len(samples), length, sum)
	}
	return samples
}

func decodeFrame(tb testing.TB, data []byte, number, block int) (samples []int16, used int) {
	tb.Helper()
	r := &bitReader{data: data}
	if r.read(16) != 0xfff8 {
		tb.Fatalf("frame %d begins with % x", number, data[:2])
	}
	size := r.read(4)
	if r.read(4) != 7 || r.read(8) != 8 {
		tb.Fatalf("frame %d: % x", number, data[:4])
	}
	coded := string(rune(number))
	for n := range len(coded) {
		if r.read(8) != uint64(coded[n]) {
			tb.Fatalf("frame %d is numbered otherwise: % x", number, data[:8])
		}
	}
	if size == 7 {
		block = int(r.read(16)) + 1
	}
	if sum := remainder(data[:r.at/8], 8, 0x07); r.read(8) != sum {
		tb.Fatalf("frame %d: header sum is not %02x", number, sum)
	}
	kind := r.read(8) >> 1
	values := make([]int64, 0, block)
	switch {
	case kind == 0:
		v := int64(int16(r.read(16)))
		for range block {
			values = append(values, v)
		}
	case kind >= 8 && kind <= 12:
		order := int(kind - 8)
		for range order {
			values = append(values, int64(int16(r.read(16))))
		}
		if r.read(6) != 0 {
			tb.Fatalf("frame %d: several partitions", number)
		}
		param := int(r.read(4))
		weights := [][]int64{{}, {1}, {2, -1}, {3, -3, 1}, {4, -6, 4, -1}}[order]
		for len(values) < block {
			var high uint64
			for r.read(1) == 0 {
				high++
			}
			z := high<<param | r.read(param)
			v := int64(z>>1) ^ -int64(z&1)
			for n, weight := range weights {
				v += weight * values[len(values)-1-n]
			}
			values = append(values, v)
		}
	default:
		tb.Fatalf("frame %d: subframe %d", number, kind)
	}
	used = (r.at+7)/8 + 2
	if sum := remainder(data[:used-2], 16, 0x8005); uint64(binary.BigEndian.Uint16(data[used-2:])) != sum {
		tb.Fatalf("frame %d: sum is not %04x", number, sum)
	}
	for _, v := range values {
		samples = append(samples, int16(v))
	}
	return samples, used
}

// remainder divides data by a polynomial.
func remainder(data []byte, width int, polynomial uint64) (sum uint64) {
	for _, b := range data {
		for bit := 7; bit >= 0; bit-- {
			carry := sum>>(width-1)&1 ^ uint64(b>>bit&1)
			sum = (sum<<1 ^ carry*polynomial) & (1<<width - 1)
		}
	}
	return sum
}
