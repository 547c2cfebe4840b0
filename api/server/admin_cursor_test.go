package server_test

import (
	"testing"

	"github.com/text2image-audio/text2image-audio/api/server"
)

// FuzzSequences holds that a cursor is refused unless it is one that was given out.
func FuzzSequences(f *testing.F) {
	for _, seed := range []string{"", "x", server.EncodeSequences("b1", 1, 2), server.EncodeSequences("l1", 1<<63), server.EncodeSequences("b1", 1, 2, 3)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		for what, n := range map[string]int{"l1": 1, "b1": 2} {
			sequences, ok := server.DecodeSequences(what, cursor, n)
			if ok && (len(sequences) != n || server.EncodeSequences(what, sequences...) != cursor) {
				t.Errorf("%q became %v", cursor, sequences)
			}
		}
	})
}
