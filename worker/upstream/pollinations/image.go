package pollinations

import (
	"crypto/md5" //nolint:gosec // The sum only identifies a known image; it protects nothing.
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream"
	"github.com/text2image-audio/text2image-audio/worker/upstream/media"
)

// errPlaceholder is the cause of the error for an error image.
var errPlaceholder = errors.New("response is the service's error image")

// placeholder describes an error image.
type placeholder struct {
	md5 string
	// minBytes is a lower bound of its size. Smaller images, which most are, need not be hashed.
	minBytes int
}

// knownPlaceholder is the known error image, which has some 1.3 MB.
var knownPlaceholder = placeholder{md5: "2090a5dc21c32952cbf8496339752bd1", minBytes: 1 << 20}

// isPlaceholder reports whether data is a known error image.
func (c *Client) isPlaceholder(data []byte) bool {
	return slices.ContainsFunc(c.placeholders, func(p placeholder) bool {
		if len(data) < p.minBytes {
			return false
		}
		sum := md5.Sum(data) //nolint:gosec // See the import.
		return hex.EncodeToString(sum[:]) == p.md5
	})
}

// readBody returns the body of a response, after checks of its header. A body in JSON also reserves the memory to decode
// it.
func readBody(resp *upstream.Response, contentType string, inJSON bool) ([]byte, error) {
	if f := errorImage(resp); f != nil {
		return nil, f
	}
	if resp.Compressed() {
		return nil, upstream.InvalidResponse("response is compressed, although not requested")
	}
	if inJSON {
		contentType = "application/json"
	}
	if !isOfType(resp.Header, contentType) {
		return nil, resp.UnexpectedError("content type is not "+contentType, nil)
	}
	data, err := resp.ReadAll()
	if err == nil && inJSON {
		err = reserveDecoded(resp, data)
	}
	return data, err
}

// readImage reads and checks a response.
func (c *Client) readImage(resp *upstream.Response, inJSON bool) (*Media, error) {
	data, err := readBody(resp, "image/", inJSON)
	if err != nil {
		return nil, err
	}
	var usage json.RawMessage
	if inJSON {
		if data, usage, err = unpackImage(resp, data); err != nil {
			return nil, err
		}
	}
	if c.isPlaceholder(data) {
		return nil, &fault.Error{Class: fault.Retryable, Code: job.CodeUnavailable, Err: errPlaceholder}
	}
	m, err := media.CheckImage(data)
	if err != nil {
		return nil, err
	}
	describe(m, resp.Header)
	completeUsage(&m.Usage, usage)
	return m, nil
}

// errorImage returns the error of a response with status 200 whose headers mark its image as an error; nil otherwise.
func errorImage(resp *upstream.Response) *fault.Error {
	kind, message := resp.Header.Get("X-Error-Type"), resp.Header.Get("X-Error-Message")
	claimed, limited := resp.Header.Get("X-Error-Status"), isTrue(resp.Header.Get("X-Rate-Limited"))
	if kind == "" && message == "" && claimed == "" && !limited {
		return nil
	}
	status, err := strconv.Atoi(strings.TrimSpace(claimed))
	switch {
	case limited || isThrottling(kind):
		status = http.StatusTooManyRequests
	case err != nil || status < 400 || status > 599:
		status = http.StatusServiceUnavailable
	}
	body, err := json.Marshal(map[string]any{"error": map[string]string{"type": kind, "message": message}})
	if err != nil {
		body = nil
	}
	return resp.ClaimedError(status, body)
}

func isThrottling(kind string) bool {
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

// reserveDecoded reserves the memory for decoding a document: its longest string, and the decoded bytes.
func reserveDecoded(resp *upstream.Response, document []byte) error {
	const minBytes = 1 << 20
	if len(document) < minBytes {
		return nil
	}
	return resp.Reserve(2 * int64(len(document)))
}

// unpackImage returns the image and the usage in a document. It rejects a URL of an image, since URLs in responses are
// never fetched.
func unpackImage(resp *upstream.Response, document []byte) (data []byte, usage json.RawMessage, err error) {
	var list struct {
		Data []struct {
			Base64 string `json:"b64_json"`
		} `json:"data"`
		Usage json.RawMessage `json:"usage"`
	}
	if err := json.Unmarshal(document, &list); err != nil {
		return nil, nil, upstream.InvalidResponse("response is not JSON")
	}
	if len(list.Data) == 0 || list.Data[0].Base64 == "" {
		return nil, nil, resp.UnexpectedError("response contains no image", document)
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

// describe sets the fields of the media that are in the headers.
func describe(m *Media, header http.Header) {
	m.Model = strings.TrimSpace(header.Get("X-Model-Used"))
	// With type GENERATED, the hit is the generation of this request itself.
	m.CacheHit = strings.EqualFold(header.Get("X-Cache"), "HIT") && !strings.EqualFold(header.Get("X-Cache-Type"), "GENERATED")
	m.Usage = usageOf(header)
}

// isOfType reports whether the content type starts with the prefix.
func isOfType(header http.Header, prefix string) bool {
	return strings.HasPrefix(strings.ToLower(strings.TrimSpace(header.Get("Content-Type"))), prefix)
}
