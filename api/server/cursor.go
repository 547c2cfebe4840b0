package server

import (
	"strconv"
	"time"

	"github.com/text2image-audio/text2image-audio/api/server/internal/cursor"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

// The kinds of cursors, one for each list; the digit is the version of the format.
const (
	cursorJobs        = "1"
	cursorDeadLetters = "l1"
	cursorBulk        = "b1"
	cursorFeedback    = "f1"
)

// encodePosition returns the cursor of a position in a list of jobs.
func encodePosition(m jobs.Position) string {
	return cursor.Encode(cursorJobs, strconv.FormatInt(m.CreatedAt.UnixMilli(), 10), m.ID)
}

// decodePosition returns the position of a cursor. It reports false for a string that encodePosition has not returned.
func decodePosition(text string) (jobs.Position, bool) {
	parts, ok := cursor.Decode(cursorJobs, text, 2)
	if !ok || !job.ValidToken(parts[1]) {
		return jobs.Position{}, false
	}
	ms, err := strconv.ParseInt(parts[0], 10, 64)
	m := jobs.Position{CreatedAt: time.UnixMilli(ms).UTC(), ID: parts[1]}
	return m, err == nil && encodePosition(m) == text
}
