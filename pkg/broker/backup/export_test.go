package backup

import "crypto/sha256"

// WithTrailer returns a file with its checksum.
func WithTrailer(file []byte) []byte {
	sum := sha256.Sum256(file)
	return append(file, trailer(sum[:])...)
}
