package server

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

// The kinds of cursors, one for each list; the digit is the version of the format.
const (
	cursorJobs        = "1"
	cursorDeadLetters = "l1"
	cursorBulk        = "b1"
	cursorFeedback    = "f1"
	cursorDeliveries  = "w1"
	cursorBatches     = "t1"
	cursorBatchJobs   = "j1"
)

// encodePosition returns the cursor of a position in a list of jobs.
func encodePosition(m jobs.Position) string {
	return encodeCursor(cursorJobs, strconv.FormatInt(m.CreatedAt.UnixMilli(), 10), m.ID)
}

// decodePosition returns the position of a cursor. It reports false for a string that encodePosition has not returned.
func decodePosition(text string) (jobs.Position, bool) {
	parts, ok := decodeCursor(cursorJobs, text, 2)
	if !ok || !job.ValidToken(parts[1]) {
		return jobs.Position{}, false
	}
	ms, err := strconv.ParseInt(parts[0], 10, 64)
	m := jobs.Position{CreatedAt: time.UnixMilli(ms).UTC(), ID: parts[1]}
	return m, err == nil && encodePosition(m) == text
}

// maxCursor bounds the cursors that are decoded; real ones are at most half as long.
const maxCursor = 256

// encodeCursor returns the cursor of a position. kind names the list and the version of the format, so that a cursor of another
// list or an older version is recognized. Neither kind nor parts may contain a dot.
func encodeCursor(kind string, parts ...string) string {
	plain := strings.Join(append([]string{kind}, parts...), ".")
	return base64.RawURLEncoding.EncodeToString([]byte(plain))
}

// decodeCursor returns the n parts of a cursor of a kind. It reports false for any other cursor.
func decodeCursor(kind, cursor string, n int) (parts []string, ok bool) {
	if len(cursor) > maxCursor {
		return nil, false
	}
	plain, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil {
		return nil, false
	}
	parts = strings.Split(string(plain), ".")
	if len(parts) != n+1 || parts[0] != kind || encodeCursor(kind, parts[1:]...) != cursor {
		return nil, false
	}
	return parts[1:], true
}

// encodeSequences returns the cursor of sequence numbers.
func encodeSequences(kind string, sequences ...uint64) string {
	parts := make([]string, len(sequences))
	for i, sequence := range sequences {
		parts[i] = strconv.FormatUint(sequence, 10)
	}
	return encodeCursor(kind, parts...)
}

// decodeSequences returns the n sequence numbers of a cursor of a kind. It reports false for any other cursor.
func decodeSequences(kind, cursor string, n int) (sequences []uint64, ok bool) {
	parts, ok := decodeCursor(kind, cursor, n)
	if !ok {
		return nil, false
	}
	sequences = make([]uint64, n)
	for i, part := range parts {
		var err error
		if sequences[i], err = strconv.ParseUint(part, 10, 64); err != nil {
			return nil, false
		}
	}
	return sequences, encodeSequences(kind, sequences...) == cursor
}
