package filestore

import (
	"encoding/binary"
	"fmt"
)

// blockCheck is what a message block holds besides intact records.
type blockCheck struct {
	bad []badRecord
	// torn says that the block ends in a record that was never written to its end, as a kill or a power cut leaves it. No
	// publisher was ever told that such a message is stored.
	torn bool
}

// badRecord is a stretch of a block without an intact record.
type badRecord struct {
	offset, length int
	// sequence is what the damaged record says about itself, 0 when it is too short to say anything.
	sequence uint64
}

func (b badRecord) String() string {
	return fmt.Sprintf("record at byte %d (sequence %d, %d bytes) does not match its checksum", b.offset, b.sequence, b.length)
}

// checkBlock verifies every record. Only the last block of a stream may end in a torn record.
func checkBlock(h *recordHasher, data []byte, last bool) blockCheck {
	var result blockCheck
	for at := 0; at < len(data); {
		if n := h.next(data[at:]); n > 0 {
			at += n
			continue
		}
		next := resume(h, data, at)
		if next == len(data) && last && isTorn(h, data[at:]) {
			result.torn = true
			break
		}
		bad := badRecord{offset: at, length: next - at}
		if bad.length >= recordHeader {
			bad.sequence = recordSequence(data[at:])
		}
		result.bad = append(result.bad, bad)
		at = next
	}
	return result
}

// resume returns where the first intact record behind a damaged one begins, or the end.
func resume(h *recordHasher, data []byte, at int) int {
	if rest := data[at:]; len(rest) >= minRecord {
		if length, _ := recordLength(rest); length >= minRecord && length < len(rest) && h.next(rest[length:]) > 0 {
			return at + length
		}
	}
	for at++; at+minRecord <= len(data); at++ {
		if h.next(data[at:]) > 0 {
			return at
		}
	}
	return len(data)
}

// isTorn reports whether the end of the last block is a write that was interrupted, and not a whole record that was
// damaged afterwards.
func isTorn(h *recordHasher, tail []byte) bool {
	if len(tail) < recordHeader || isZero(tail[max(0, len(tail)-recordHash):]) {
		return true
	}
	if length, _ := recordLength(tail); length <= len(tail) {
		return false
	}
	// The record claims to be longer than the file. When it is intact with the length that it has, the claim is wrong.
	return !h.intact(tail, len(tail), false) && !h.intact(tail, len(tail), true)
}

func isZero(buf []byte) bool {
	for _, b := range buf {
		if b != 0 {
			return false
		}
	}
	return true
}

// salvage returns a block with the intact records alone. When the block was the last one and its end is gone, a mark
// takes the place of what was there: the sequence of a lost message must not be given to another one, which consumers
// would take for delivered.
func salvage(h *recordHasher, data []byte, check blockCheck, last bool) []byte {
	var intact []byte
	var sequence uint64
	var time int64
	for at := 0; at < len(data); {
		n := h.next(data[at:])
		if n == 0 {
			at = resume(h, data, at)
			continue
		}
		intact = append(intact, data[at:at+n]...)
		sequence = max(sequence, recordSequence(data[at:]))
		time = int64(binary.LittleEndian.Uint64(data[at+12:])) //nolint:gosec // The server stores its int64 in these bytes.
		at += n
	}
	if len(check.bad) == 0 || !last {
		return intact
	}
	end := check.bad[len(check.bad)-1]
	if end.offset+end.length < len(data) {
		return intact
	}
	lost := sequence + 1
	if end.sequence > sequence && end.sequence-sequence < maxLostSequences {
		lost = end.sequence
	}
	return append(intact, h.erased(lost, time)...)
}

// maxLostSequences bounds how far a damaged record is believed that names its own sequence.
const maxLostSequences = 1 << 20
