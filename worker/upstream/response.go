package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/text2image-audio/text2image-audio/worker/fault"
)

// The reasons for giving up a response.
var (
	errIdle    = errors.New("response made no progress")
	errTooLong = errors.New("response is announced to be longer than accepted")
	errEndless = errors.New("response does not end where it should")
	errShort   = errors.New("response is shorter than announced")
	errDrained = errors.New("rest of the response is not wanted")
)

// Response is a response with status 200 while it is read. It is valid until the function it was passed to returns.
type Response struct {
	Header http.Header

	ctx      context.Context
	cancel   context.CancelCauseFunc
	response *http.Response
	timer    *time.Timer
	idle     time.Duration
	quiet    bool
	left     int64
	read     int64
	hold     *Reservation
	ended    bool
}

func (c *Caller) newResponse(
	ctx context.Context, cancel context.CancelCauseFunc, response *http.Response, r Request,
) *Response {
	idle := c.idle()
	return &Response{
		Header:   response.Header,
		ctx:      ctx,
		cancel:   cancel,
		response: response,
		timer:    time.AfterFunc(idle, func() { cancel(errIdle) }),
		idle:     idle,
		quiet:    r.Quiet,
		left:     r.MaxBytes,
		hold:     c.Budget.NewReservation(),
	}
}

// Read reads the body. It fails when the body is larger than Request.MaxBytes, shorter than Content-Length, or makes no
// progress for too long. Return its error unchanged: Do classifies it.
func (a *Response) Read(p []byte) (int, error) {
	if a.ended {
		return 0, io.EOF
	}
	// Reading one byte more than is left tells a response of exactly the limit from a longer one.
	if int64(len(p)) > a.left+1 {
		p = p[:a.left+1]
	}
	n, err := a.response.Body.Read(p)
	a.read += int64(n)
	a.left -= int64(n)
	if a.left < 0 {
		if a.response.ContentLength >= 0 {
			return 0, errTooLong
		}
		return 0, errEndless
	}
	if n > 0 && !a.quiet {
		a.Progress()
	}
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, io.ErrUnexpectedEOF):
		return n, errShort
	case !errors.Is(err, io.EOF):
		return n, fmt.Errorf("read answer: %w", err)
	}
	a.ended = true
	if announced := a.response.ContentLength; announced >= 0 && a.read < announced {
		return n, errShort
	}
	return n, io.EOF
}

// ReadAll reads the whole body. It fails as Read does, and at once when Content-Length is too large. Large bodies wait
// for room in the caller's budget.
func (a *Response) ReadAll() ([]byte, error) {
	announced := a.response.ContentLength
	switch {
	case announced > a.left:
		return nil, errTooLong
	case announced <= 0:
		return a.readChunks()
	}
	if err := a.Reserve(announced - freeBytes); err != nil {
		return nil, err
	}
	data := make([]byte, announced)
	if _, err := io.ReadFull(a, data); err != nil {
		return nil, err
	}
	return data, nil
}

// readChunks reads a body of unknown length in chunks, so that it never holds more than has arrived.
func (a *Response) readChunks() ([]byte, error) {
	var chunks []*[chunkBytes]byte
	defer func() { a.hold.reuse(chunks) }()
	total, ended := 0, false
	for !ended {
		if total >= freeBytes {
			if err := a.Reserve(chunkBytes); err != nil {
				return nil, err
			}
		}
		chunk := a.hold.chunk()
		chunks = append(chunks, chunk)
		n, err := io.ReadFull(a, chunk[:])
		total += n
		ended = errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !ended {
			return nil, err
		}
	}
	if total > freeBytes {
		if err := a.Reserve(int64(total)); err != nil {
			return nil, err
		}
	}
	data := make([]byte, 0, total)
	for _, chunk := range chunks {
		data = append(data, chunk[:min(chunkBytes, total-len(data))]...)
	}
	return data, nil
}

// Reserve waits until this many bytes more may be held for this response; the idle time-out pauses meanwhile. They are
// released when the response ends. It fails when the call is canceled.
func (a *Response) Reserve(bytes int64) error {
	if a.hold.tryGrow(bytes) {
		return nil
	}
	a.timer.Stop()
	defer a.Progress()
	return a.hold.Grow(a.ctx, bytes)
}

// Progress restarts the idle time-out.
func (a *Response) Progress() { a.timer.Reset(a.idle) }

// Idle returns the idle time-out.
func (a *Response) Idle() time.Duration { return a.idle }

// Limit gives the rest of the response at most d from now, whether or not bytes arrive: for what is useful but not worth
// waiting for.
func (a *Response) Limit(d time.Duration) {
	a.idle, a.quiet = d, true
	a.timer.Reset(d)
}

// Compressed reports whether the body is compressed although that was not requested. It is not decompressed.
func (a *Response) Compressed() bool {
	encoding := strings.TrimSpace(a.Header.Get("Content-Encoding"))
	return encoding != "" && !strings.EqualFold(encoding, "identity")
}

// ClaimedError classifies an error that was sent with status 200, by the status and the message that its body claims.
func (a *Response) ClaimedError(status int, said []byte) *fault.Error {
	header := a.Header.Clone()
	header.Del("Content-Type")
	return classify(status, header, said)
}

// UnexpectedError returns the error of a response of another kind than expected, for the given reason. It reads some of
// the body: an error envelope in it is classified by what it says.
func (a *Response) UnexpectedError(reason string, head []byte) *fault.Error {
	a.Limit(errorBodyTime)
	rest, err := io.ReadAll(io.LimitReader(a, maxErrorBody))
	body := append(head[:len(head):len(head)], rest...)
	if err == nil && !a.Compressed() {
		if e := parseEnvelope(a.Header.Get("Content-Type"), body); e.status >= 400 && e.status <= 599 {
			return a.ClaimedError(e.status, body)
		}
	}
	f := InvalidResponse(reason)
	if !a.Compressed() && isText(body) {
		f.Detail = classify(http.StatusOK, a.Header, body).Detail
	}
	f.RequestID = requestID(&envelope{}, a.Header)
	return f
}

// statusError reads a response with another status than 200 and classifies it.
func (a *Response) statusError(parent context.Context) error {
	a.Limit(errorBodyTime)
	a.left = maxErrorBody
	body, err := io.ReadAll(a)
	// The status counts however the body ends, unless the call was canceled.
	if err != nil && errors.Is(parent.Err(), context.Canceled) {
		return fault.NewCanceled(parent)
	}
	if a.Compressed() || !isText(body) {
		body = nil
	}
	return classify(a.response.StatusCode, a.Header, body)
}

// close reads a short remaining body, so that the connection can be reused, and closes it. It waits a quarter of a
// second at most.
func (a *Response) close() {
	const timeout, bound = 250 * time.Millisecond, 16 << 10
	if !a.ended && context.Cause(a.ctx) == nil {
		a.timer.Stop()
		wait := time.AfterFunc(timeout, func() { a.cancel(errDrained) })
		_, _ = io.CopyN(io.Discard, a.response.Body, bound)
		wait.Stop()
	}
	a.timer.Stop()
	_ = a.response.Body.Close()
	a.hold.Release()
}

// isText reports whether a body may be quoted as text.
func isText(body []byte) bool {
	for _, b := range body[:min(len(body), 512)] {
		if b < ' ' && b != '\n' && b != '\r' && b != '\t' {
			return false
		}
	}
	return true
}
