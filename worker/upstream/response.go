package upstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/text2image-audio/text2image-audio/worker/fault"
)

// The reasons for aborting a response.
var (
	errIdle    = errors.New("response made no progress")
	errTooLong = errors.New("response has a Content-Length above the limit")
	errEndless = errors.New("response is longer than the limit")
	errShort   = errors.New("response is shorter than its Content-Length")
	errDrained = errors.New("rest of the response is not needed")
)

// Response is a response with status 200. It is valid until the function it was passed to returns.
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
	idle := cmp.Or(c.Idle, defaultIdle)
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

// Read reads the body. It fails if the body is larger than Request.MaxBytes, shorter than Content-Length, or idle. The
// caller must return the error unchanged, since Do classifies it.
func (r *Response) Read(p []byte) (int, error) {
	if r.ended {
		return 0, io.EOF
	}
	// Reading one byte more than allowed detects a response that exceeds the limit.
	if int64(len(p)) > r.left+1 {
		p = p[:r.left+1]
	}
	n, err := r.response.Body.Read(p)
	r.read += int64(n)
	r.left -= int64(n)
	if r.left < 0 {
		if r.response.ContentLength >= 0 {
			return 0, errTooLong
		}
		return 0, errEndless
	}
	if n > 0 && !r.quiet {
		r.Progress()
	}
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, io.ErrUnexpectedEOF):
		return n, errShort
	case !errors.Is(err, io.EOF):
		return n, fmt.Errorf("read response: %w", err)
	}
	r.ended = true
	if length := r.response.ContentLength; length >= 0 && r.read < length {
		return n, errShort
	}
	return n, io.EOF
}

// ReadAll reads the whole body. It fails as Read does, and at once if Content-Length is above the limit. Large bodies
// wait for the caller's budget.
func (r *Response) ReadAll() ([]byte, error) {
	length := r.response.ContentLength
	switch {
	case length > r.left:
		return nil, errTooLong
	case length <= 0:
		return r.readChunks()
	}
	if err := r.Reserve(length - freeBytes); err != nil {
		return nil, err
	}
	data := make([]byte, length)
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, err
	}
	return data, nil
}

// readChunks reads a body of unknown length in chunks, so that memory grows only as data arrives.
func (r *Response) readChunks() ([]byte, error) {
	var chunks []*[chunkBytes]byte
	defer func() { r.hold.reuse(chunks) }()
	total, ended := 0, false
	for !ended {
		if total >= freeBytes {
			if err := r.Reserve(chunkBytes); err != nil {
				return nil, err
			}
		}
		chunk := r.hold.chunk()
		chunks = append(chunks, chunk)
		n, err := io.ReadFull(r, chunk[:])
		total += n
		ended = errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !ended {
			return nil, err
		}
	}
	if total > freeBytes {
		if err := r.Reserve(int64(total)); err != nil {
			return nil, err
		}
	}
	data := make([]byte, 0, total)
	for _, chunk := range chunks {
		data = append(data, chunk[:min(chunkBytes, total-len(data))]...)
	}
	return data, nil
}

// Reserve reserves memory for this response until it is closed. It waits for the budget, and the idle time-out pauses
// meanwhile. It fails if the call is canceled.
func (r *Response) Reserve(bytes int64) error {
	if r.hold.tryGrow(bytes) {
		return nil
	}
	r.timer.Stop()
	defer r.Progress()
	return r.hold.Grow(r.ctx, bytes)
}

// Progress restarts the idle time-out.
func (r *Response) Progress() { r.timer.Reset(r.idle) }

// Idle returns the idle time-out.
func (r *Response) Idle() time.Duration { return r.idle }

// Limit bounds the time for the rest of the response, whether or not bytes arrive. It is for a rest that is optional.
func (r *Response) Limit(d time.Duration) {
	r.idle, r.quiet = d, true
	r.timer.Reset(d)
}

// Compressed reports whether the body is compressed although that was not requested. It is not decompressed.
func (r *Response) Compressed() bool {
	encoding := strings.TrimSpace(r.Header.Get("Content-Encoding"))
	return encoding != "" && !strings.EqualFold(encoding, "identity")
}

// ClaimedError returns the error of a response with status 200 that contains an error with another status and body.
func (r *Response) ClaimedError(status int, body []byte) *fault.Error {
	header := r.Header.Clone()
	header.Del("Content-Type")
	return classify(status, header, body)
}

// UnexpectedError returns the error of a response of an unexpected kind, with the given reason. It reads the rest of the
// body after head and classifies an error envelope in it.
func (r *Response) UnexpectedError(reason string, head []byte) *fault.Error {
	r.Limit(errorBodyTimeout)
	rest, err := io.ReadAll(io.LimitReader(r, maxErrorBody))
	body := append(head[:len(head):len(head)], rest...)
	if err == nil && !r.Compressed() {
		if e := parseEnvelope(r.Header.Get("Content-Type"), body); e.status >= 400 && e.status <= 599 {
			return r.ClaimedError(e.status, body)
		}
	}
	f := InvalidResponse(reason)
	if !r.Compressed() && isText(body) {
		f.Detail = classify(http.StatusOK, r.Header, body).Detail
	}
	f.RequestID = requestID(&envelope{}, r.Header)
	return f
}

// statusError reads a response with another status than 200 and classifies it.
func (r *Response) statusError(parent context.Context) error {
	r.Limit(errorBodyTimeout)
	r.left = maxErrorBody
	body, err := io.ReadAll(r)
	// The status is enough even if the body fails, unless the call was canceled.
	if err != nil && errors.Is(parent.Err(), context.Canceled) {
		return fault.NewCanceled(parent)
	}
	if r.Compressed() || !isText(body) {
		body = nil
	}
	return classify(r.response.StatusCode, r.Header, body)
}

// close closes the body. It first reads a short rest of it, for at most a quarter of a second, so that the connection can
// be reused.
func (r *Response) close() {
	const timeout, bound = 250 * time.Millisecond, 16 << 10
	if !r.ended && context.Cause(r.ctx) == nil {
		r.timer.Stop()
		wait := time.AfterFunc(timeout, func() { r.cancel(errDrained) })
		_, _ = io.CopyN(io.Discard, r.response.Body, bound)
		wait.Stop()
	}
	r.timer.Stop()
	_ = r.response.Body.Close()
	r.hold.Release()
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
