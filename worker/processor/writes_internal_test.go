package processor

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestWritesShareATimer checks that a write gets the context of the one before as long as that has three quarters of its timeout left.
func TestWritesShareATimer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const timeout = 8 * time.Second
		var w writes
		defer w.end()
		next := func(timeout time.Duration) context.Context {
			t.Helper()
			ctx := w.bounded(t.Context(), timeout)
			end, _ := ctx.Deadline()
			if left := time.Until(end); ctx.Err() != nil || left > timeout || left < timeout*3/4 {
				t.Errorf("%v left of %v, %v", left, timeout, ctx.Err())
			}
			return ctx
		}
		first := next(timeout)
		time.Sleep(timeout / 4)
		if next(timeout) != first {
			t.Error("a write soon after the first has another context")
		}
		time.Sleep(time.Nanosecond)
		second := next(timeout)
		if second == first || first.Err() == nil {
			t.Error("a later write has the context of the first, or that was not released")
		}
		long := next(3 * timeout)
		if next(timeout) == long {
			t.Error("a write has the longer timeout of the one before")
		}
		time.Sleep(2 * timeout)
		next(timeout)
	})
}
