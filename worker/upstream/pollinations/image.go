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

// errPlaceholder is the cause of a fault that came as a picture without saying what it was.
var errPlaceholder = errors.New("answer is the gateway's error picture")

// readPicture reads an answer and checks it.
func (c *Client) readPicture(a *upstream.Answer, inJSON bool) (*Media, error) {
	if f := pictured(a); f != nil {
		return nil, f
	}
	if a.Encoded() {
		return nil, upstream.InvalidAnswer("answer is compressed, which was not asked for")
	}
	expected := "image/"
	if inJSON {
		expected = "application/json"
	}
	if !isOfType(a.Header, expected) {
		return nil, a.Unexpected("content type is not "+expected, nil)
	}
	data, err := a.ReadAll()
	if err != nil {
		return nil, err
	}
	var usage json.RawMessage
	if inJSON {
		if err := makeRoom(a, data); err != nil {
			return nil, err
		}
		if data, usage, err = unpack(a, data); err != nil {
			return nil, err
		}
	}
	media, err := c.checkPicture(data)
	if err != nil {
		return nil, err
	}
	media.describe(a.Header)
	media.Usage.complete(usage)
	return media, nil
}

// pictured returns the fault of an error that was sent as a picture with a status of 200. Its headers say so.
func pictured(a *upstream.Answer) *fault.Error {
	kind, message := a.Header.Get("X-Error-Type"), a.Header.Get("X-Error-Message")
	claimed, limited := a.Header.Get("X-Error-Status"), isTrue(a.Header.Get("X-Rate-Limited"))
	if kind == "" && message == "" && claimed == "" && !limited {
		return nil
	}
	status, err := strconv.Atoi(strings.TrimSpace(claimed))
	switch {
	case limited || soundsThrottled(kind):
		status = http.StatusTooManyRequests
	case err != nil || status < 400 || status > 599:
		status = http.StatusServiceUnavailable
	}
	said, err := json.Marshal(map[string]any{"error": map[string]string{"type": kind, "message": message}})
	if err != nil {
		said = nil
	}
	return a.Claims(status, said)
}

func soundsThrottled(kind string) bool {
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

// makeRoom reserves what taking a document apart needs beside the document: its longest text, and what that decodes to.
func makeRoom(a *upstream.Answer, document []byte) error {
	const least = 1 << 20
	if len(document) < least {
		return nil
	}
	return a.Reserve(2 * int64(len(document)))
}

// unpack takes the picture, and the usage as it stands, out of a document. An address in place of the bytes is refused: nothing that an answer names
// is ever fetched.
func unpack(a *upstream.Answer, document []byte) (data []byte, usage json.RawMessage, err error) {
	var list struct {
		Data []struct {
			Base64 string `json:"b64_json"`
		} `json:"data"`
		Usage json.RawMessage `json:"usage"`
	}
	if err := json.Unmarshal(document, &list); err != nil {
		return nil, nil, upstream.InvalidAnswer("document is not JSON")
	}
	if len(list.Data) == 0 || list.Data[0].Base64 == "" {
		return nil, nil, a.Unexpected("document holds no picture", document)
	}
	encoded := list.Data[0].Base64
	if strings.HasPrefix(encoded, "data:") {
		_, encoded, _ = strings.Cut(encoded, ",")
	}
	data, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(encoded, "="))
	if err != nil {
		return nil, nil, upstream.InvalidAnswer("picture is not valid base64")
	}
	return data, list.Usage, nil
}

// describe takes over what the headers say about an answer.
func (m *Media) describe(header http.Header) {
	m.Model = strings.TrimSpace(header.Get("X-Model-Used"))
	// The first to ask may be told of a hit that was in truth its own generation.
	m.CacheHit = strings.EqualFold(header.Get("X-Cache"), "HIT") && !strings.EqualFold(header.Get("X-Cache-Type"), "GENERATED")
	m.Usage = usageOf(header, m.CacheHit)
}

// isOfType says whether the content type begins as expected.
func isOfType(header http.Header, prefix string) bool {
	return strings.HasPrefix(strings.ToLower(strings.TrimSpace(header.Get("Content-Type"))), prefix)
}
