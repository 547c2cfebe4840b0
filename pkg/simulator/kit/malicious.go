package kit

import (
	"bytes"
	"compress/gzip"
	"net/http"
)

// redirect sends the client to a route that needs no key and succeeds, so that
// following the redirect shows in the calls.
func (x *Exchange) redirect() {
	x.Header().Set("Location", "http://"+x.Request.Host+"/v1/models")
	x.Send(http.StatusFound, "text/plain; charset=utf-8", []byte("Moved."))
}

// mediaType is the Content-Type of a successful response to this exchange.
func (x *Exchange) mediaType() string {
	switch {
	case x.Kind == KindImage:
		return "image/jpeg"
	case x.Kind == KindSpeech && !x.InJSON:
		return "audio/mpeg"
	default:
		return "application/json"
	}
}

// opening is the beginning of a successful response to this exchange.
func (x *Exchange) opening() []byte {
	return map[string][]byte{"image/jpeg": {0xff, 0xd8, 0xff, 0xe0}, "audio/mpeg": []byte("ID3\x04"), "application/json": []byte(`{"id":"`)}[x.mediaType()]
}

// endlessBody begins like a successful response and sends letters until the
// client goes away.
func (x *Exchange) endlessBody() {
	x.SendStatus(http.StatusOK, x.mediaType())
	chunk := bytes.Repeat([]byte("a"), 64<<10)
	for more := x.Write(x.opening()); more && x.Context().Err() == nil; {
		more = x.Write(chunk)
	}
}

// bombSize is the decompressed size of a gzip bomb; on the wire it is a
// thousandth of that.
const bombSize = 256 << 20

// gzipBomb sends a small body that is large when decompressed: one compressed
// block repeated, which readers of gzip accept as one file.
func (x *Exchange) gzipBomb() {
	block := bytes.Repeat([]byte("a"), 1<<20)
	out := compress(x.opening())
	out = append(out, bytes.Repeat(compress(block), bombSize/len(block))...)
	x.Header().Set("Content-Encoding", "gzip")
	x.Send(http.StatusOK, x.mediaType(), out)
}

func compress(data []byte) []byte {
	var out bytes.Buffer
	writer := gzip.NewWriter(&out)
	_, _ = writer.Write(data) // Writing to a buffer never fails.
	_ = writer.Close()
	return out.Bytes()
}
