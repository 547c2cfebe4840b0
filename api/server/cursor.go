package server

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

// cursorVersion stands in front of what a cursor holds, so that an old one is recognised when that changes.
const cursorVersion = "1"

// encodeCursor returns the opaque form of a place in a list.
func encodeCursor(m jobs.Mark) string {
	plain := cursorVersion + "." + strconv.FormatInt(m.CreatedAt.UnixMilli(), 10) + "." + m.ID
	return base64.RawURLEncoding.EncodeToString([]byte(plain))
}

// maxCursor bounds what is decoded; a real one is half as long.
const maxCursor = 256

// decodeCursor reads what encodeCursor has written and refuses everything else.
func decodeCursor(cursor string) (jobs.Mark, bool) {
	if len(cursor) > maxCursor {
		return jobs.Mark{}, false
	}
	plain, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil {
		return jobs.Mark{}, false
	}
	parts := strings.Split(string(plain), ".")
	if len(parts) != 3 || parts[0] != cursorVersion || !job.ValidToken(parts[2]) {
		return jobs.Mark{}, false
	}
	ms, err := strconv.ParseInt(parts[1], 10, 64)
	m := jobs.Mark{CreatedAt: time.UnixMilli(ms).UTC(), ID: parts[2]}
	if err != nil || encodeCursor(m) != cursor {
		return jobs.Mark{}, false
	}
	return m, true
}
