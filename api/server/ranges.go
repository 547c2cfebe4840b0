package server

import (
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
)

const (
	rangeUnit = "bytes"
	// maxRanges is the maximum number of ranges in a request. Players and download managers request one; each further range
	// can make the server read another chunk from the store for a single byte.
	maxRanges = 4
)

// byteRange is one range of a request. An open-ended range has no last; a suffix range (the last n bytes) has no first.
type byteRange struct {
	hasFirst, hasLast bool
	first, last       int64
}

// serveContent responds with a file of the given size, or with the requested ranges of it. The caller sets the headers. It
// returns a problem if the ranges are not satisfiable.
func serveContent(c *gin.Context, size int64, content io.ReadSeeker) error {
	normalizeRange(c.Request, size)
	w := &rangeWriter{ResponseWriter: c.Writer}
	http.ServeContent(w, c.Request, "", time.Time{}, content)
	if w.notSatisfiable {
		c.Header("ETag", "")
		c.Writer.Header().Del("Content-Disposition")
		return problem.New(problem.CodeRange)
	}
	return nil
}

// rangeWriter discards the 416 response of http.ServeContent.
type rangeWriter struct {
	gin.ResponseWriter
	notSatisfiable bool
}

// WriteHeader passes on every status except 416.
func (w *rangeWriter) WriteHeader(status int) {
	if status == http.StatusRequestedRangeNotSatisfiable {
		w.notSatisfiable = true
		return
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write discards the text of that response.
func (w *rangeWriter) Write(p []byte) (int, error) {
	if w.notSatisfiable {
		return len(p), nil
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController find the connection.
func (w *rangeWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// normalizeRange rewrites the Range header of a request for a file of the given size so that http.ServeContent responds as
// RFC 9110 requires: ranges of other units and malformed ranges are ignored, for which the library responds 416, and a suffix
// of zero bytes is not satisfiable, for which the library sends an empty range.
//
// More than maxRanges ranges, and overlapping ranges, are ignored too, as section 14.2 permits: the whole file costs far less.
func normalizeRange(r *http.Request, size int64) {
	header := r.Header.Get("Range")
	if header == "" {
		return
	}
	unit, set, found := strings.Cut(header, "=")
	ranges, ok := parseRanges(set)
	if !found || !strings.EqualFold(strings.TrimSpace(unit), rangeUnit) || !ok || len(ranges) > maxRanges || overlap(ranges, size) {
		r.Header.Del("Range")
		return
	}
	if len(ranges) == 0 {
		ranges = []byteRange{{hasFirst: true, first: math.MaxInt64}}
	}
	texts := make([]string, len(ranges))
	for i, one := range ranges {
		texts[i] = one.String()
	}
	r.Header.Set("Range", rangeUnit+"="+strings.Join(texts, ","))
}

// overlap reports whether any two ranges share a byte of a file of the given size.
func overlap(ranges []byteRange, size int64) bool {
	for i, a := range ranges {
		for _, b := range ranges[:i] {
			aFirst, aEnd := a.within(size)
			bFirst, bEnd := b.within(size)
			if max(aFirst, bFirst) < min(aEnd, bEnd) {
				return true
			}
		}
	}
	return false
}

// within returns the bytes of a file that the range covers, from first up to but not including end. It covers none unless
// first < end.
func (r byteRange) within(size int64) (first, end int64) {
	switch {
	case !r.hasFirst:
		return max(0, size-r.last), size
	case !r.hasLast || r.last >= size:
		return r.first, size
	}
	return r.first, r.last + 1
}

// String returns the range as http.ServeContent parses it.
func (r byteRange) String() string {
	text := "-"
	if r.hasFirst {
		text = strconv.FormatInt(r.first, 10) + text
	}
	if r.hasLast {
		text += strconv.FormatInt(r.last, 10)
	}
	return text
}

// parseRanges returns the ranges of a set that are not empty, at most maxRanges+1 of them. It reports false for a malformed
// set.
func parseRanges(set string) (ranges []byteRange, ok bool) {
	given := 0
	for spec := range strings.SplitSeq(set, ",") {
		spec = strings.TrimSpace(spec)
		if spec == "" {
			continue // A list may have empty elements.
		}
		first, last, found := strings.Cut(spec, "-")
		if !found || first+last == "" || !isDigits(first) || !isDigits(last) {
			return nil, false
		}
		from, to := position(first), position(last)
		if first != "" && last != "" && to < from {
			return nil, false
		}
		given++
		if first == "" && to == 0 {
			continue // A suffix of zero bytes.
		}
		if len(ranges) <= maxRanges {
			ranges = append(ranges, byteRange{hasFirst: first != "", hasLast: last != "", first: from, last: to})
		}
	}
	return ranges, given > 0
}

func isDigits(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }) < 0
}

// position parses a position in a file, "" as 0. One that overflows an int64 is beyond the end of any file.
func position(digits string) int64 {
	if digits == "" {
		return 0
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return math.MaxInt64
	}
	return n
}
