package job_test

import (
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// BenchmarkDecodeSpec decodes the message of a job, as a worker does once for each.
func BenchmarkDecodeSpec(b *testing.B) {
	data, err := imageSpec().Encode()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := job.DecodeSpec(data); err != nil {
			b.Fatal(err)
		}
	}
}
