package server

import (
	"math"
	"net/http"
	"strconv"
	"strings"
)

const (
	rangeUnit = "bytes"
	// maxRanges is how many ranges one request may ask for. Players and download managers ask for one; each further one
	// can make the server read another chunk from the store for a single byte of the answer.
	maxRanges = 4
)

// byteRange is one range as the caller wrote it. One of the two is empty in a range that is open at an end: a suffix
// ("the last n bytes") has no first.
type byteRange struct {
	hasFirst, hasLast bool
	first, last       int64
}

// settleRange rewrites the Range of a request for a file of the given size so that http.ServeContent answers it as
// RFC 9110 wants. A range of another unit, or one that is malformed, is ignored, where the library would refuse it; the
// last no bytes are a range that no file has, where the library would send them.
//
// More than maxRanges ranges, and ranges that overlap, are ignored too and the file is sent whole, as section 14.2
// permits: their answer would cost far more to make than the file.
func settleRange(r *http.Request, size int64) {
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

// within returns which bytes of a file the range covers, from first up to but not including end. It covers none when
// end is not above first.
func (r byteRange) within(size int64) (first, end int64) {
	switch {
	case !r.hasFirst:
		return max(0, size-r.last), size
	case !r.hasLast || r.last >= size:
		return r.first, size
	}
	return r.first, r.last + 1
}

// String writes the range as http.ServeContent reads it.
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

// parseRanges returns the ranges of a set that are not empty, and no more than one above maxRanges. It reports false for
// a set that is malformed.
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

// position reads a place in a file; one beyond all files is as good as any other of those.
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
