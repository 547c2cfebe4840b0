package simulator

import (
	"maps"
	"net/http"
	"strconv"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/content"
)

// pageFaults are the answers that proxies give in the upstream's stead.
func pageFaults() map[string]fault {
	page := func(status int, title, text string) fault {
		return func(x *exchange) { x.page(status, title, text) }
	}
	plain := func(status int, text string) fault {
		return func(x *exchange) { x.send(status, "text/plain; charset=UTF-8", []byte(text)) }
	}
	return map[string]fault{
		"html_520": page(520, "520: Web server is returning an unknown error", "The origin sent something that is no answer."),
		"html_521": page(521, "521: Web server is down", "The origin refused the connection."),
		"html_522": page(522, "522: Connection timed out", "The origin could not be reached in time."),
		"html_523": page(523, "523: Origin is unreachable", "There is no way to the origin."),
		"html_502": page(http.StatusBadGateway, "502 Bad Gateway", "Unable to reach the origin service."),
		"html_504": page(http.StatusGatewayTimeout, "504 Gateway Timeout", "The origin did not answer in time."),
		"html_524": page(524, "524: A timeout occurred", "The origin web server timed out responding to this request."),
		"text_503": plain(http.StatusServiceUnavailable, "Generation coordination is unavailable"),
		"text_530": plain(530, "error code: 1033"),
	}
}

// hang never answers.
func (x *exchange) hang() { <-x.r.Context().Done() }

// reset closes the connection without a byte.
func (x *exchange) reset() {
	x.finish(0)
	panic(http.ErrAbortHandler)
}

// cutOff announces the whole body and sends half of it; then the connection
// ends, or nothing more comes until the client goes.
func (x *exchange) cutOff(status int, body []byte) {
	if len(body) < 2 {
		body = []byte("  ")
		x.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	stalled := x.behaves(faultStalled)
	if !stalled {
		x.finish(status)
	}
	x.w.WriteHeader(status)
	_, _ = x.w.Write(body[:len(body)/2]) // A client that is gone already is what this is about.
	x.flush()
	if stalled {
		x.hang()
		return
	}
	panic(http.ErrAbortHandler)
}

// flush sends what is buffered; a connection that cannot is closing anyway.
func (x *exchange) flush() { _ = http.NewResponseController(x.w).Flush() }

// errorPicture is a picture of an error with status 200, the headers telling.
func (x *exchange) errorPicture() {
	maps.Copy(x.w.Header(), http.Header{
		"X-Error-Type":    {"Internal Server Error"},
		"X-Error-Status":  {"500"},
		"X-Error-Message": {"No active servers available"},
	})
	x.errorPictureBare()
}

// errorPictureBare is the same without any header: only its size, which is
// always the same, tells.
func (x *exchange) errorPictureBare() {
	x.stillPicture(errorDrawing())
}

// largePicture is the size of the placeholder that errorPictureLarge sends.
const largePicture = 1_300_000

// errorPictureLarge is the bare error picture, always the same, blown up to
// the size of the placeholder that the legacy host was seen to serve. The
// padding is in comments of the JPEG, which decoders skip.
func (x *exchange) errorPictureLarge() {
	art, err := x.s.content.Image(x.r.Context(), errorDrawing())
	if err != nil {
		return // The client went away.
	}
	const most = 0xffff - 2 // bytes of a comment
	chance := content.Random("error picture")
	out := append(make([]byte, 0, largePicture+most), art.Bytes[:2]...)
	for missing := largePicture - len(art.Bytes); missing > 4; {
		n := min(most, missing-4)
		out = append(out, 0xff, 0xfe, byte((n+2)>>8), byte(n+2)) //nolint:gosec // At most 0xffff.
		for range n {
			out = append(out, byte(chance.Uint32())) //nolint:gosec // Any byte will do.
		}
		missing -= n + 4
	}
	x.send(http.StatusOK, art.ContentType, append(out, art.Bytes[2:]...))
}

// errorPictureThrottled is throttling that arrives as a picture.
func (x *exchange) errorPictureThrottled() {
	maps.Copy(x.w.Header(), http.Header{
		"X-Error-Type":    {"Too Many Requests"},
		"X-Error-Status":  {"429"},
		"X-Error-Message": {"Queue full for IP"},
		"X-Rate-Limited":  {"true"},
	})
	x.errorPictureBare()
}

func errorDrawing() content.Drawing {
	return content.Drawing{Prompt: "Something went wrong. Please try again later.", Model: "error", Width: 1280, Height: 720}
}

// wrongSize is a good picture of another size than the one asked for.
func (x *exchange) wrongSize() {
	x.stillPicture(content.Drawing{Prompt: "a picture of another size", Model: "zimage", Width: 640, Height: 448})
}

func (x *exchange) stillPicture(d content.Drawing) {
	art, err := x.s.content.Image(x.r.Context(), d)
	if err != nil {
		return // The client went away.
	}
	x.send(http.StatusOK, art.ContentType, art.Bytes)
}

// wrongType is a page with status 200 where media or JSON were due.
func (x *exchange) wrongType() {
	x.page(http.StatusOK, "Just a moment...", "Checking your browser before accessing the service.")
}

// notJSON announces JSON that does not end.
func (x *exchange) notJSON() {
	x.send(http.StatusOK, "application/json", []byte(`{"id":"chatcmpl-0","choices":[{"index":0,"message":{"role":"assist`))
}

// garbage has the right Content-Type over bytes that are nothing of the sort.
func (x *exchange) garbage() {
	x.send(http.StatusOK, x.mediaType(), []byte("upstream connect error or disconnect/reset before headers"))
}
