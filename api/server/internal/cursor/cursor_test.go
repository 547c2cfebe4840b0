package cursor

import (
	"testing"
)

// FuzzSequences checks that only cursors that were encoded here are decoded.
func FuzzSequences(f *testing.F) {
	for _, seed := range []string{"", "x", EncodeSequences("b1", 1, 2), EncodeSequences("l1", 1<<63), EncodeSequences("b1", 1, 2, 3)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		for what, n := range map[string]int{"l1": 1, "b1": 2} {
			sequences, ok := DecodeSequences(what, cursor, n)
			if ok && (len(sequences) != n || EncodeSequences(what, sequences...) != cursor) {
				t.Errorf("%q became %v", cursor, sequences)
			}
		}
	})
}
