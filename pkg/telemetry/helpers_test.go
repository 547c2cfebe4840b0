package telemetry_test

import (
	"bytes"
	"sync"
	"testing"
	"time"
)

// guard bounds what a test waits for. It is generous and not part of any expectation.
const guard = time.Minute

// safeBuffer is a bytes.Buffer for concurrent use.
type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func await(t *testing.T, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(guard):
		t.Fatal("timeout")
	}
}
