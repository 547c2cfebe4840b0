package server_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// chunkBytes is the chunk size of stored media.
const chunkBytes = 512 << 10

// countReads returns a function that returns the number of chunks read since its last call.
func (b *bundle) countReads(t *testing.T, owner, id string) func() int {
	t.Helper()
	// The last token of the subject is the number of the chunk.
	chunk := broker.ChunkSubject(owner, id, 0, "*", 0)
	sub := brokertest.Subscribe(t, b.broker.Conn(), "$JS.API.DIRECT.GET."+broker.ResultsStream+"."+chunk[:len(chunk)-1]+"*")
	return func() int {
		must(t, b.broker.Conn().Flush())
		n, _, err := sub.Pending()
		must(t, err)
		for range n {
			_, err := sub.NextMsg(hang)
			must(t, err)
		}
		return n
	}
}

// TestManyRangesReadFewChunks requests as many single bytes as fit into a header, alternating between two chunks.
func TestManyRangesReadFewChunks(t *testing.T) {
	t.Parallel()
	b := setup(t)
	data := bytes.Repeat([]byte("0123456789abcdef"), 100_000) // Four chunks.
	storeFinishedJob(t, b, "job-a", data, "image/png")
	var far strings.Builder
	far.WriteString("bytes=")
	for i := 0; far.Len() < 15<<10; i++ {
		fmt.Fprintf(&far, "%d-%d,", i%2*chunkBytes+i, i%2*chunkBytes+i)
	}
	reads := b.countReads(t, job.OwnerAnonymous, "job-a")
	for name, tc := range map[string]struct {
		ranges string
		status int
		// most is the maximum number of chunks read.
		most int
	}{
		"many":                   {far.String(), http.StatusOK, 4},
		"one too many":           {"bytes=0-0,2-2,4-4,6-6,8-8", http.StatusOK, 4},
		"overlapping":            {"bytes=0-10,5-20", http.StatusOK, 4},
		"the same":               {"bytes=7-7,7-7", http.StatusOK, 4},
		"overlapping at the end": {"bytes=1599990-,-20", http.StatusOK, 4},
		"within an open range":   {"bytes=0-,600000-600001", http.StatusOK, 4},
		"a few":                  {"bytes=0-0,2-2,4-4,6-6", http.StatusPartialContent, 1},
		"a few apart":            {"bytes=0-0,600000-600000,1100000-1100000,-1", http.StatusPartialContent, 4},
		"adjacent":               {"bytes=0-9,10-19", http.StatusPartialContent, 1},
		"one within a chunk":     {"bytes=600000-600100", http.StatusPartialContent, 1},
		"one across two":         {"bytes=524280-524300", http.StatusPartialContent, 2},
		"up to a chunk boundary": {"bytes=0-524287", http.StatusPartialContent, 1},
		"some unsatisfiable":     {"bytes=0-0,9999999-", http.StatusPartialContent, 1},
		"four and an empty one":  {"bytes=0-0,2-2,4-4,6-6,-0", http.StatusPartialContent, 1},
	} {
		reads()
		resp := b.get(t, "/api/jobs/job-a/media/0", header("Range", tc.ranges)).expect(t, tc.status)
		if n := reads(); n > tc.most || n == 0 {
			t.Errorf("%s: %d chunks read, want at most %d", name, n, tc.most)
		}
		if tc.status == http.StatusOK && !bytes.Equal(resp.body, data) {
			t.Errorf("%s: %d bytes, want %d", name, len(resp.body), len(data))
		}
		if tc.status == http.StatusPartialContent {
			checkParts(t, name, resp, data)
		}
	}
	b.head(t, "/api/jobs/job-a/media/0", header("Range", far.String())).expect(t, http.StatusOK)
	if n := reads(); n != 0 {
		t.Errorf("HEAD reads %d chunks", n)
	}
}

// checkParts compares every part of a response with the bytes of its Content-Range.
func checkParts(t *testing.T, name string, resp *reply, data []byte) {
	t.Helper()
	check := func(contentRange string, got []byte) {
		var from, to, size int
		if _, err := fmt.Sscanf(contentRange, "bytes %d-%d/%d", &from, &to, &size); err != nil || size != len(data) {
			t.Fatalf("%s: Content-Range %q: %v", name, contentRange, err)
		}
		if !bytes.Equal(got, data[from:to+1]) {
			t.Errorf("%s: the part %s is wrong", name, contentRange)
		}
	}
	mediaType, params, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	must(t, err)
	if mediaType != "multipart/byteranges" {
		check(resp.Header.Get("Content-Range"), resp.body)
		return
	}
	parts := multipart.NewReader(bytes.NewReader(resp.body), params["boundary"])
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return
		}
		must(t, err)
		got, err := io.ReadAll(part)
		must(t, err)
		check(part.Header.Get("Content-Range"), got)
	}
}

// TestManyRangesOfASavedImage requests many ranges of a saved image.
func TestManyRangesOfASavedImage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ann := b.newMember(t, "ann@example.org")
	data := jpegImage(t, 64)
	saved := b.saveImage(t, data, ann)
	for ranges, status := range map[string]int{
		"bytes=0-0,2-2,4-4,6-6": http.StatusPartialContent, "bytes=0-0,2-2,4-4,6-6,8-8": http.StatusOK, "bytes=0-9,9-10": http.StatusOK,
		"bytes=" + strings.Repeat("0-0,", 3000): http.StatusOK,
	} {
		resp := b.get(t, imagesRoute+"download/"+saved.ID, ann, header("Range", ranges)).expect(t, status)
		if status == http.StatusOK && !bytes.Equal(resp.body, data) {
			t.Errorf("%.40s: %d bytes", ranges, len(resp.body))
		}
	}
}
