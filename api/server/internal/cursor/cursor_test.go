package cursor

import "testing"

// FuzzSequences checks that DecodeSequences accepts only results of EncodeSequences.
func FuzzSequences(f *testing.F) {
	for _, seed := range []string{"", "x", EncodeSequences("b1", 1, 2), EncodeSequences("l1", 1<<63), EncodeSequences("b1", 1, 2, 3)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		for kind, n := range map[string]int{"l1": 1, "b1": 2} {
			sequences, ok := DecodeSequences(kind, cursor, n)
			if ok && (len(sequences) != n || EncodeSequences(kind, sequences...) != cursor) {
				t.Errorf("%q decodes to %v", cursor, sequences)
			}
		}
	})
}
