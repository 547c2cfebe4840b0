package server

import "testing"

// FuzzSequences checks that decodeSequences accepts only results of encodeSequences.
func FuzzSequences(f *testing.F) {
	for _, seed := range []string{"", "x", encodeSequences("b1", 1, 2), encodeSequences("l1", 1<<63), encodeSequences("b1", 1, 2, 3)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		for kind, n := range map[string]int{"l1": 1, "b1": 2} {
			sequences, ok := decodeSequences(kind, cursor, n)
			if ok && (len(sequences) != n || encodeSequences(kind, sequences...) != cursor) {
				t.Errorf("%q decodes to %v", cursor, sequences)
			}
		}
	})
}
