package filestore

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/minio/highwayhash"
)

// A record is
//
//	length uint32 | sequence uint64 | time int64 | subject length uint16 | subject | [header length uint32 | header] | body | checksum [8]byte
//
// in little endian. The checksum covers neither the length nor the lengths of subject and header.
const (
	recordHeader = 22
	recordHash   = highwayhash.Size64
	minRecord    = recordHeader + recordHash
	// maxRecord is the longest record that the server accepts.
	maxRecord = 32 << 20

	// headersFlag in the length marks a message with headers.
	headersFlag = 1 << 31
	// erasedFlag and tombstoneFlag in the sequence mark an erased message, and the deletion of another one.
	erasedFlag    = 1 << 63
	tombstoneFlag = 1 << 62
)

// recordHasher computes the checksums of one block.
type recordHasher struct {
	digest *highwayhash.Digest64
	sum    [recordHash]byte
}

// newRecordHasher returns the hasher of a block; the key is derived from the stream's name and the block's number.
func newRecordHasher(stream string, block int) (*recordHasher, error) {
	digest, err := newDigest(fmt.Sprintf("%s-%d", stream, block))
	if err != nil {
		return nil, err
	}
	return &recordHasher{digest: digest}, nil
}

// newDigest returns the hash that the server keys with a name.
func newDigest(name string) (*highwayhash.Digest64, error) {
	key := sha256.Sum256([]byte(name))
	digest, err := highwayhash.NewDigest64(key[:])
	if err != nil {
		return nil, fmt.Errorf("create checksum: %w", err)
	}
	return digest, nil
}

// recordLength returns the length in a record's header, and whether the message has headers.
func recordLength(buf []byte) (length int, headers bool) {
	n := binary.LittleEndian.Uint32(buf)
	return int(n &^ headersFlag), n&headersFlag != 0
}

// recordSequence returns the sequence of a record without its flags.
func recordSequence(buf []byte) uint64 {
	return binary.LittleEndian.Uint64(buf[4:]) &^ (erasedFlag | tombstoneFlag)
}

// next returns the length of the record at the start of buf, or 0 when it is incomplete or damaged.
func (h *recordHasher) next(buf []byte) int {
	if len(buf) < minRecord {
		return 0
	}
	length, headers := recordLength(buf)
	if length > len(buf) || !h.intact(buf, length, headers) {
		return 0
	}
	return length
}

// intact reports whether the first length bytes of buf are a record that matches its checksum.
func (h *recordHasher) intact(buf []byte, length int, headers bool) bool {
	if length < minRecord || length > maxRecord || length > len(buf) {
		return false
	}
	subject := int(binary.LittleEndian.Uint16(buf[20:]))
	body := recordHeader + subject
	if headers {
		body += 4
	}
	if body > length-recordHash {
		return false
	}
	h.digest.Reset()
	_, _ = h.digest.Write(buf[4:20])
	_, _ = h.digest.Write(buf[recordHeader : recordHeader+subject])
	_, _ = h.digest.Write(buf[body : length-recordHash])
	return bytes.Equal(h.digest.Sum(h.sum[:0]), buf[length-recordHash:length])
}

// erased returns a record that marks the message with a sequence as erased.
func (h *recordHasher) erased(sequence uint64, time int64) []byte {
	buf := make([]byte, minRecord)
	binary.LittleEndian.PutUint32(buf, minRecord)
	binary.LittleEndian.PutUint64(buf[4:], sequence|erasedFlag)
	binary.LittleEndian.PutUint64(buf[12:], uint64(time)) //nolint:gosec // The server stores its int64 in these bytes.
	h.digest.Reset()
	_, _ = h.digest.Write(buf[4:20])
	copy(buf[recordHeader:], h.digest.Sum(h.sum[:0]))
	return buf
}
