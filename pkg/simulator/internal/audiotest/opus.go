package audiotest

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// OggFile is the content of one stream.
type OggFile struct {
	Packets [][]byte
	Granule uint64 // samples up to the end of the last page
}

// ReadOgg reads every page and checks its number and its checksum.
func ReadOgg(tb testing.TB, data []byte) (file OggFile) {
	tb.Helper()
	var serial uint32
	for page := uint32(0); len(data) > 0; page++ {
		if len(data) < 27 || string(data[:5]) != "OggS\x00" {
			tb.Fatalf("page %d: % x", page, data[:min(27, len(data))])
		}
		little := binary.LittleEndian
		if page == 0 {
			serial = little.Uint32(data[14:])
		}
		lacing := data[27 : 27+int(data[26])]
		size := 27 + len(lacing)
		var packet []byte
		for _, n := range lacing {
			packet = append(packet, data[size:size+int(n)]...)
			size += int(n)
			if n < 255 {
				file.Packets, packet = append(file.Packets, packet), nil
			}
		}
		flags, last := data[5], size == len(data)
		if packet != nil || little.Uint32(data[14:]) != serial || little.Uint32(data[18:]) != page || flags&1 != 0 ||
			(flags&2 != 0) != (page == 0) || (flags&4 != 0) != last {
			tb.Fatalf("page %d: header % x", page, data[:27])
		}
		stated := little.Uint32(data[22:])
		whole := append(append(bytes.Clone(data[:22]), 0, 0, 0, 0), data[26:size]...)
		var sum uint32
		for _, b := range whole {
			for bit := 7; bit >= 0; bit-- {
				carry := sum>>31 ^ uint32(b>>bit&1)
				sum = sum<<1 ^ carry*0x04c11db7
			}
		}
		if sum != stated {
			tb.Fatalf("page %d: sum %08x, stated %08x", page, sum, stated)
		}
		file.Granule = little.Uint64(data[6:])
		data = data[size:]
	}
	return file
}

// OpusSeconds checks the two headers and the pages of an Ogg file and returns
// the duration of its packets.
func OpusSeconds(tb testing.TB, data []byte) float64 {
	tb.Helper()
	file := ReadOgg(tb, data)
	head, tags, packets := file.Packets[0], file.Packets[1], file.Packets[2:]
	if len(head) != 19 || string(head[:10]) != "OpusHead\x01\x01" || string(tags[:8]) != "OpusTags" {
		tb.Fatalf("headers % x, % x", head, tags)
	}
	for n, packet := range packets {
		// The first byte holds the configuration; these are the ones of 20 ms.
		config, code := packet[0]>>3, packet[0]&3
		if code != 0 || (config < 16 && config%4 != 1 && config%2 != 1) || (config >= 16 && config%4 != 3) {
			tb.Fatalf("packet %d begins with %02x", n, packet[0])
		}
	}
	if want := uint64(len(packets) * 960); file.Granule != want {
		tb.Errorf("the last page ends at %d, want %d", file.Granule, want)
	}
	return float64(len(packets)) * 0.02
}
