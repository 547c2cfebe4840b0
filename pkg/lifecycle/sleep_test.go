package lifecycle_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

func TestSleep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begin := time.Now()
		if !lifecycle.Sleep(ctx, 40*time.Second) || time.Since(begin) != 40*time.Second {
			t.Errorf("it slept for %s", time.Since(begin))
		}
		if lifecycle.Sleep(ctx, 40*time.Second) || time.Since(begin) != time.Minute {
			t.Errorf("it slept until %s, beyond its context", time.Since(begin))
		}
		if lifecycle.Sleep(ctx, 0) {
			t.Error("it returns true for an ended context")
		}
	})
}
