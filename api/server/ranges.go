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
	// maxRanges is how many ranges one request may ask for. Players and download managers ask for one; each further one
	// can make the server read another chunk from the store for a single byte of the response.
	maxRanges = 4
)

// byteRange is one range of a request. A range that is open at the end has no last; a suffix ("the last n bytes") has no
// first.
type byteRange struct {
	hasFirst, hasLast bool
	first, last       int64
}

// serveContent responds with a file of the given size, or the ranges of it that the request asks for. The caller has set the
// headers; it fails with a problem when the file does not have the ranges.
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

// rangeWriter discards the response of http.ServeContent to ranges that the file does not have.
type rangeWriter struct {
	gin.ResponseWriter
	notSatisfiable bool
}

// WriteHeader passes on every status but that one.
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
// RFC 9110 requires: a range of another unit and a malformed one are ignored, where the library responds 416, and the last
// zero bytes are a range that no file has, where the library sends an empty one.
//
// More than maxRanges ranges, and ranges that overlap, are ignored too and the whole file is sent, as section 14.2 permits:
// assembling them would cost far more than sending the file.
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
			continue // The last no bytes.
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

// position parses a position in a file, "" as 0. One that is too large for an int64 lies beyond any file.
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
