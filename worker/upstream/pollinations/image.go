package pollinations

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

// errPlaceholder is the cause of an error that was sent as an image.
var errPlaceholder = errors.New("response is the gateway's error image")

// readImage reads and checks a response.
func (c *Client) readImage(a *upstream.Response, inJSON bool) (*Media, error) {
	if f := errorImage(a); f != nil {
		return nil, f
	}
	if a.Compressed() {
		return nil, upstream.InvalidResponse("response is compressed, which was not asked for")
	}
	expected := "image/"
	if inJSON {
		expected = "application/json"
	}
	if !isOfType(a.Header, expected) {
		return nil, a.UnexpectedError("content type is not "+expected, nil)
	}
	data, err := a.ReadAll()
	if err != nil {
		return nil, err
	}
	var usage json.RawMessage
	if inJSON {
		if err := reserveDecoded(a, data); err != nil {
			return nil, err
		}
		if data, usage, err = unpackImage(a, data); err != nil {
			return nil, err
		}
	}
	media, err := c.checkImage(data)
	if err != nil {
		return nil, err
	}
	media.describe(a.Header)
	media.Usage.complete(usage)
	return media, nil
}

// errorImage returns the error of a response whose headers say that its image stands for an error, with status 200.
func errorImage(a *upstream.Response) *fault.Error {
	kind, message := a.Header.Get("X-Error-Type"), a.Header.Get("X-Error-Message")
	claimed, limited := a.Header.Get("X-Error-Status"), isTrue(a.Header.Get("X-Rate-Limited"))
	if kind == "" && message == "" && claimed == "" && !limited {
		return nil
	}
	status, err := strconv.Atoi(strings.TrimSpace(claimed))
	switch {
	case limited || meansThrottled(kind):
		status = http.StatusTooManyRequests
	case err != nil || status < 400 || status > 599:
		status = http.StatusServiceUnavailable
	}
	said, err := json.Marshal(map[string]any{"error": map[string]string{"type": kind, "message": message}})
	if err != nil {
		said = nil
	}
	return a.ClaimedError(status, said)
}

func meansThrottled(kind string) bool {
	kind = strings.ToLower(kind)
	for _, word := range []string{"rate", "queue", "throttl", "too many", "toomany"} {
		if strings.Contains(kind, word) {
			return true
		}
	}
	return false
}

func isTrue(value string) bool {
	on, err := strconv.ParseBool(strings.TrimSpace(value))
	return err == nil && on
}

// reserveDecoded reserves the memory for decoding a document: its longest string, and the bytes in it.
func reserveDecoded(a *upstream.Response, document []byte) error {
	const least = 1 << 20
	if len(document) < least {
		return nil
	}
	return a.Reserve(2 * int64(len(document)))
}

// unpackImage returns the image and the usage in a document. A URL in place of the bytes is refused: no URL of a
// response is ever fetched.
func unpackImage(a *upstream.Response, document []byte) (data []byte, usage json.RawMessage, err error) {
	var list struct {
		Data []struct {
			Base64 string `json:"b64_json"`
		} `json:"data"`
		Usage json.RawMessage `json:"usage"`
	}
	if err := json.Unmarshal(document, &list); err != nil {
		return nil, nil, upstream.InvalidResponse("document is not JSON")
	}
	if len(list.Data) == 0 || list.Data[0].Base64 == "" {
		return nil, nil, a.UnexpectedError("document holds no image", document)
	}
	encoded := list.Data[0].Base64
	if strings.HasPrefix(encoded, "data:") {
		_, encoded, _ = strings.Cut(encoded, ",")
	}
	data, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(encoded, "="))
	if err != nil {
		return nil, nil, upstream.InvalidResponse("image is not valid base64")
	}
	return data, list.Usage, nil
}

// describe sets what the headers say about the media.
func (m *Media) describe(header http.Header) {
	m.Model = strings.TrimSpace(header.Get("X-Model-Used"))
	// The first to ask may be told of a hit that was in truth its own generation.
	m.CacheHit = strings.EqualFold(header.Get("X-Cache"), "HIT") && !strings.EqualFold(header.Get("X-Cache-Type"), "GENERATED")
	m.Usage = usageOf(header, m.CacheHit)
}

// isOfType reports whether the content type begins as expected.
func isOfType(header http.Header, prefix string) bool {
	return strings.HasPrefix(strings.ToLower(strings.TrimSpace(header.Get("Content-Type"))), prefix)
}
