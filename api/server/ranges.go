package server

import (
	"math"
	"net/http"
	"strconv"
	"strings"
)

const rangeUnit = "bytes"

// settleRange rewrites a request's Range so that the standard library answers it as RFC 9110 wants: a range of another
// unit, or one that is malformed, is ignored, where the library would refuse it; the last no bytes are a range that no
// file has, where the library would send them.
func settleRange(r *http.Request) {
	header := r.Header.Get("Range")
	if header == "" {
		return
	}
	unit, set, found := strings.Cut(header, "=")
	ranges, ok := parseRanges(set)
	if !found || !strings.EqualFold(strings.TrimSpace(unit), rangeUnit) || !ok {
		r.Header.Del("Range")
		return
	}
	if len(ranges) == 0 {
		ranges = []string{strconv.FormatInt(math.MaxInt64, 10) + "-"}
	}
	r.Header.Set("Range", rangeUnit+"="+strings.Join(ranges, ","))
}

// parseRanges returns the ranges of a set that are not empty, each as the library reads it. It reports false for a set
// that is malformed.
func parseRanges(set string) (ranges []string, ok bool) {
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
		ranges = append(ranges, written(first, from)+"-"+written(last, to))
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

func written(digits string, n int64) string {
	if digits == "" {
		return ""
	}
	return strconv.FormatInt(n, 10)
}
