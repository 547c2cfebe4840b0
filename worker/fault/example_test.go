package fault_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
)

func Example() {
	err := fmt.Errorf("generate image: %w", &fault.Error{
		Upstream: job.UpstreamImage, Class: fault.Throttled, Code: job.CodeThrottled, Status: 429, RetryAfter: 20 * time.Second,
	})
	fmt.Println(err)
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Class == fault.Throttled {
		fmt.Println("retry after", f.RetryAfter)
	}
	// Output:
	// generate image: pollinations-image: upstream_throttled (status 429)
	// retry after 20s
}
