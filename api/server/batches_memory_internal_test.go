package server

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
)

// TestMemoryOfABatchOfLines reads a body whose lines together have far more values than one may have. It does not run in parallel, since
// it measures memory.
func TestMemoryOfABatchOfLines(t *testing.T) { //nolint:paralleltest // See above.
	line := `{"a":[0` + strings.Repeat(",0", 100_000) + "]}\n"
	body := strings.Repeat(line, maxBatchBody/len(line))
	c, _ := gin.CreateTestContext(httptest.NewRecorder())
	c.Request = httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/batches", strings.NewReader(body))
	c.Request.Header.Set("Content-Type", "application/jsonl")
	before := heap()
	lines, _, err := readBatch(c)
	if err != nil {
		t.Fatal(err)
	}
	if grown := heap() - before; grown > 5*len(body) {
		t.Errorf("a body of %d bytes takes %d bytes of memory", len(body), grown)
	}
	if node, err := lines[0].parsed(); err != nil || node.Kind != bind.Object || len(lines) != len(body)/len(line) {
		t.Errorf("%d lines, %v", len(lines), err)
	}
}

// heap returns the bytes of live objects.
func heap() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
