package filestore

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// blockCheck is the result of verifying a message block.
type blockCheck struct {
	bad []badRecord
	// torn reports that the block ends in a partly written record, which a crash or a power failure leaves. Such a message was
	// never acknowledged.
	torn bool
}

// badRecord is a range of a block without an intact record.
type badRecord struct {
	offset, length int
	// sequence is the sequence in the damaged record, or 0 when it is too short to have one.
	sequence uint64
}

func (b badRecord) String() string {
	return fmt.Sprintf("record at byte %d (sequence %d, %d bytes) does not match its checksum", b.offset, b.sequence, b.length)
}

// checkBlock verifies every record of a block. Only the last block of a stream may end in a torn record.
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

// resume returns the offset of the first intact record after the damaged one at an offset, or the length of data.
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

// isTorn reports whether the end of the last block is an interrupted write, and not a complete record that was damaged
// later.
func isTorn(h *recordHasher, tail []byte) bool {
	if len(tail) < recordHeader || len(bytes.Trim(tail[max(0, len(tail)-recordHash):], "\x00")) == 0 {
		return true
	}
	if length, _ := recordLength(tail); length <= len(tail) {
		return false
	}
	// The length in the record exceeds the file. If the record is intact up to the end of the file, only its length is damaged.
	return !h.intact(tail, len(tail), false) && !h.intact(tail, len(tail), true)
}

// salvage returns a block with only the intact records. If the end of the last block is lost, an erased record replaces
// it: the sequence of a lost message must not be reused, because consumers would regard the new message as delivered.
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

// maxLostSequences bounds how far ahead the sequence of a damaged record may be to be trusted.
const maxLostSequences = 1 << 20
