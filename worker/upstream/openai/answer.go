package openai

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/ipaddr"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream"
	"github.com/text2image-audio/text2image-audio/worker/upstream/media"
)

// answer is the image of a response, or its URL.
type answer struct {
	data  []byte
	url   string
	media *media.Media
	// tokens are the billed tokens of the image; 0 if the response does not say.
	tokens float64
}

// readAnswer reads the response to an image request.
func readAnswer(resp *upstream.Response) (answer, error) {
	if resp.Compressed() {
		return answer{}, upstream.InvalidResponse("response is compressed, although not requested")
	}
	if strings.HasPrefix(strings.ToLower(resp.Header.Get("Content-Type")), "image/") {
		// Some services ignore the format.
		data, err := resp.ReadAll()
		return answer{data: data}, err
	}
	if !isJSON(resp.Header) {
		return answer{}, resp.UnexpectedError("content type is not application/json", nil)
	}
	document, err := resp.ReadAll()
	if err != nil {
		return answer{}, err
	}
	// For the string and the decoded image.
	if err := resp.Reserve(2*int64(len(document)) - 1<<20); err != nil {
		return answer{}, err
	}
	var list struct {
		Data []struct {
			Base64 string `json:"b64_json"`
			URL    string `json:"url"`
		} `json:"data"`
		Usage struct {
			Output float64 `json:"output_tokens"`
		} `json:"usage"`
	}
	if err := json.Unmarshal(document, &list); err != nil {
		return answer{}, upstream.InvalidResponse("response is not an image document")
	}
	if len(list.Data) == 0 || (list.Data[0].Base64 == "" && list.Data[0].URL == "") {
		return answer{}, resp.UnexpectedError("response contains no image", document)
	}
	a := answer{url: list.Data[0].URL, tokens: max(0, min(list.Usage.Output, 1e9))}
	encoded := list.Data[0].Base64
	if encoded == "" && strings.HasPrefix(a.url, "data:") {
		encoded = a.url
	}
	if encoded == "" {
		return a, nil
	}
	a.url = ""
	if strings.HasPrefix(encoded, "data:") {
		_, encoded, _ = strings.Cut(encoded, ",")
	}
	if a.data, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(encoded, "=")); err != nil {
		return answer{}, upstream.InvalidResponse("image is not valid base64")
	}
	return a, nil
}

// download reads the image at the URL of an answer: at the service itself, or with TLS at a public address. The key is sent
// to the service only.
func (c *Client) download(ctx context.Context, a *answer, r ImageRequest, private []string) error {
	u, err := c.base.Parse(a.url)
	if err != nil || u.Hostname() == "" || u.User != nil {
		return c.invalidURL("URL of the image is invalid")
	}
	caller := c.caller
	if u.Scheme != c.base.Scheme || u.Host != c.base.Host {
		if caller.Key, caller.HTTP = "", c.foreign; u.Scheme != "https" {
			return c.invalidURL("image is at another host without TLS")
		}
	}
	return caller.Do(ctx, upstream.Request{
		Method: http.MethodGet, URL: u.String(), Accept: "image/*", Private: append(private, a.url), MaxBytes: maxImageBytes,
		Amend: amendDownload,
	}, func(resp *upstream.Response) error {
		if resp.Compressed() {
			return upstream.InvalidResponse("response is compressed, although not requested")
		}
		if isJSON(resp.Header) {
			return resp.UnexpectedError("response is not an image", nil)
		}
		if a.data, err = resp.ReadAll(); err != nil {
			return err
		}
		return c.check(a, r)
	})
}

// amendDownload reclassifies the error of a host that refuses the URL of an image: it says nothing about the request for the image, nor
// about the key. Another attempt gets another URL.
func amendDownload(f *fault.Error) {
	if f.Status != http.StatusOK && (f.Class == fault.Permanent || f.Class == fault.Misconfigured) {
		f.Class, f.Code = fault.Retryable, job.CodeUnavailable
	}
}

func (c *Client) invalidURL(reason string) error {
	f := upstream.InvalidResponse(reason)
	f.Upstream, f.Status = c.caller.Upstream, http.StatusOK
	return f
}

var errAddress = errors.New("image is at an address that is not public")

// newForeign returns the HTTP client for images at other hosts, which connects to public addresses only: the service chooses
// the URL, and must not make this program read from hosts that only it can reach. It uses no proxy, which would connect
// instead, and keeps no connection.
func newForeign() *http.Client {
	const timeout = 10 * time.Second
	dialer := &net.Dialer{Timeout: timeout, Control: func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%w: %w", errAddress, err)
		}
		if !ipaddr.Public(to.Addr()) {
			return errAddress
		}
		return nil
	}}
	return &http.Client{Transport: &http.Transport{
		DialContext: dialer.DialContext, TLSHandshakeTimeout: timeout, DisableKeepAlives: true, DisableCompression: true,
		MaxResponseHeaderBytes: 64 << 10,
	}}
}

// readSpeech reads and checks the response to a speech request.
func readSpeech(resp *upstream.Response, format string) (*media.Media, error) {
	if resp.Compressed() {
		return nil, upstream.InvalidResponse("response is compressed, although not requested")
	}
	if isJSON(resp.Header) {
		return nil, resp.UnexpectedError("content type is not audio", nil)
	}
	data, err := resp.ReadAll()
	if err != nil {
		return nil, err
	}
	m, err := media.CheckSpeech(data, format, resp.Header)
	if err != nil {
		return nil, err
	}
	if m.ContentType == "audio/pcm" && m.SampleRate == 0 {
		// The API defines them.
		m.SampleRate, m.Channels = 24_000, 1
	}
	return m, nil
}

func isJSON(header http.Header) bool {
	return strings.Contains(strings.ToLower(header.Get("Content-Type")), "json")
}

func sizeOf(width, height int) string { return strconv.Itoa(width) + "x" + strconv.Itoa(height) }
