package simulator

import (
	"bytes"
	"compress/gzip"
	"net/http"
)

// hostileFaults are answers that no well-meaning upstream gives, yet that a
// client has to survive.
func hostileFaults() map[string]fault {
	return map[string]fault{
		"redirect":     (*exchange).redirect,
		"endless_body": (*exchange).endlessBody,
		"gzip_bomb":    (*exchange).gzipBomb,
	}
}

// redirect sends the client to a route that needs no key and would answer
// well, so that one who follows is seen to.
func (x *exchange) redirect() {
	x.w.Header().Set("Location", "http://"+x.r.Host+"/v1/models")
	x.send(http.StatusFound, "text/plain; charset=utf-8", []byte("Moved."))
}

// mediaType is what a good answer of this exchange would be.
func (x *exchange) mediaType() string {
	switch {
	case x.kind == KindImage:
		return "image/jpeg"
	case x.kind == KindSpeech && !x.spoken:
		return "audio/mpeg"
	default:
		return "application/json"
	}
}

// opening is how a good answer of this exchange would begin.
func (x *exchange) opening() []byte {
	return map[string][]byte{"image/jpeg": {0xff, 0xd8, 0xff, 0xe0}, "audio/mpeg": []byte("ID3\x04"), "application/json": []byte(`{"id":"`)}[x.mediaType()]
}

// endlessBody begins well and sends letters until the client goes.
func (x *exchange) endlessBody() {
	x.w.Header().Set("Content-Type", x.mediaType())
	x.w.WriteHeader(http.StatusOK)
	chunk := bytes.Repeat([]byte("a"), 64<<10)
	for more := x.write(x.opening()); more && x.r.Context().Err() == nil; {
		more = x.write(chunk)
	}
}

// bombSize is what a gzip bomb unpacks to; on the wire it is a thousandth.
const bombSize = 256 << 20

// gzipBomb is small on the wire and large when it is unpacked: one packed
// block over and over, which any reader of gzip takes for one file.
func (x *exchange) gzipBomb() {
	block := bytes.Repeat([]byte("a"), 1<<20)
	out := pack(x.opening())
	out = append(out, bytes.Repeat(pack(block), bombSize/len(block))...)
	x.w.Header().Set("Content-Encoding", "gzip")
	x.send(http.StatusOK, x.mediaType(), out)
}

func pack(data []byte) []byte {
	var out bytes.Buffer
	packer := gzip.NewWriter(&out)
	_, _ = packer.Write(data) // A buffer takes everything.
	_ = packer.Close()
	return out.Bytes()
}
