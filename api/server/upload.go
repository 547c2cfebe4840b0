package server

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/ratelimit"
)

const (
	// maxImageRead is how much of a body with an image is kept. The largest image that can be saved fits, as base64, with
	// its texts.
	maxImageRead = 4 << 20
	// maxImageBody is the largest body with an image that is read at all. It exceeds maxImageRead so that the sender of a
	// larger image gets a response that says so.
	maxImageBody = 16 << 20
	// maxSmallUpload is the size up to which an upload is read like any other body.
	maxSmallUpload = 64 << 10
	// maxUploadsPerOwner is how many images one member may upload at once.
	maxUploadsPerOwner = 2
	// maxUploads bounds the uploads of all members. Each holds up to uploadHead bytes.
	maxUploads = 256
	// uploadHead is how much of an upload is read before it needs a token from holding.
	uploadHead = 256 << 10
	// uploadGrace is how long an upload may take before its rate counts.
	uploadGrace = 5 * time.Second
	// uploadRate is the average rate that an upload must reach, in bytes per second.
	uploadRate = 16 << 10
	// uploadRateBusy replaces uploadRate for an upload that holds a token while more than half of them are in use, so that
	// a few slow clients cannot block all others.
	uploadRateBusy = 64 << 10
	// uploadTimeout bounds an upload whatever its rate.
	uploadTimeout = 5 * time.Minute
	// uploadStopGrace is how long an upload may continue once the server begins to stop.
	uploadStopGrace = 5 * time.Second
	// retryUpload is when another upload of the same member may have finished, in seconds.
	retryUpload = 5
)

// upload reads the body of an upload and gives every read a deadline that depends on the bytes received so far.
type upload struct {
	body    io.Reader
	control *http.ResponseController
	// grace is how long the upload may take before its rate counts.
	grace time.Duration
	// busy reports whether the faster rate is required.
	busy func() bool

	mu       sync.Mutex
	began    time.Time
	received int64
	// end bounds the upload whatever its rate.
	end      time.Time
	stopping bool
	// required is the rate behind the deadline of the latest read, in bytes per second.
	required int64
}

func newUpload(c *gin.Context, grace time.Duration, busy func() bool) *upload {
	now := time.Now()
	return &upload{
		body: c.Request.Body, control: http.NewResponseController(c.Writer), grace: grace, busy: busy, began: now,
		end: now.Add(uploadTimeout),
	}
}

// Read reads a part of the body. It fails with os.ErrDeadlineExceeded when the body arrives too slowly.
func (u *upload) Read(p []byte) (int, error) {
	u.setDeadline()
	n, err := u.body.Read(p)
	u.mu.Lock()
	u.received += int64(n)
	u.mu.Unlock()
	return n, err
}

func (u *upload) setDeadline() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.required = uploadRate
	if u.busy() {
		u.required = uploadRateBusy
	}
	deadline := u.began.Add(u.grace + time.Duration(u.received*int64(time.Second)/u.required))
	if deadline.After(u.end) {
		deadline = u.end
	}
	// Without a connection, as in a test, there is no deadline to set.
	_ = u.control.SetReadDeadline(deadline)
}

// exclude extends the deadlines of the upload by d, during which the server did not read.
func (u *upload) exclude(d time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.began, u.end = u.began.Add(d), u.end.Add(d)
}

// stop limits the upload to uploadStopGrace from now, since the server is about to stop.
func (u *upload) stop() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.stopping, u.end = true, time.Now().Add(uploadStopGrace)
	_ = u.control.SetReadDeadline(u.end)
}

// problem returns the problem of a failed read.
func (u *upload) problem(c *gin.Context, err error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return bind.BodyProblem(err, int(u.received))
	}
	// The deadline stays expired and the connection is closed after the response, so that net/http does not wait for the
	// rest of the body.
	c.Header("Connection", "close")
	if u.stopping {
		return problem.Unavailable(err)
	}
	return &problem.Problem{Code: problem.CodeUploadTooSlow, Args: map[string]string{"min": strconv.FormatInt(u.required>>10, 10)}}
}

// uploads reads the bodies of uploads and bounds those that are in progress.
type uploads struct {
	// byOwner counts the uploads, by member.
	byOwner ratelimit.Concurrency
	// holding holds a token for each large body that is in memory.
	holding chan struct{}
	// grace is how long an upload may take before its rate counts.
	grace time.Duration
	// max is how much of a body is kept, and tooLarge the error of a larger one.
	max      int
	tooLarge error
}

// newUploads returns the uploads of bodies of up to maxBytes, of which at most held are in memory at once.
func newUploads(grace time.Duration, maxBytes, held int, tooLarge error) *uploads {
	return &uploads{holding: make(chan struct{}, held), grace: grace, max: maxBytes, tooLarge: tooLarge}
}

// read returns the body of a request that uploads an image. done releases the reservations of the upload once the body is
// no longer needed; it is nil if err is not nil.
//
// An upload takes one of the few tokens for whole bodies only after its first 256 KiB have arrived, so that slow senders
// cannot block others. It fails with a problem: 429 when the member has too many uploads, 503 when the process
// has, 408 when the body arrives too slowly.
func (l *uploads) read(c *gin.Context, owner string) (body []byte, done func(), err error) {
	if n := c.Request.ContentLength; n >= 0 && n <= maxSmallUpload {
		// It selects an image of a job, or contains a tiny one.
		body, err = bind.ReadBody(c)
		return body, func() {}, err
	}
	release, exceeded, ok := l.byOwner.Reserve(maxUploads, ratelimit.Bound{Key: owner, Max: maxUploadsPerOwner})
	switch {
	case !ok && exceeded != nil:
		tooMany := &problem.Problem{Code: problem.CodeTooManyUploads, Args: map[string]string{"max": strconv.Itoa(maxUploadsPerOwner)}}
		return nil, nil, tooMany.RetryIn(retryUpload)
	case !ok:
		return nil, nil, problem.Unavailable(errors.New("too many uploads at once"))
	}
	defer release()
	held := false
	releaseToken := func() {
		if held {
			<-l.holding
			held = false
		}
	}
	complete := false
	defer func() {
		if !complete {
			releaseToken()
		}
	}()
	u := newUpload(c, l.grace, func() bool { return held && len(l.holding) > cap(l.holding)/2 })
	defer lifetime.OnStop(c.Request.Context(), u.stop)()
	var b bytes.Buffer
	if _, err := io.Copy(&b, io.LimitReader(u, uploadHead)); err != nil {
		return nil, nil, u.problem(c, err)
	}
	if b.Len() == uploadHead {
		began := time.Now()
		if err := acquire(c, l.holding); err != nil {
			return nil, nil, err
		}
		held = true
		u.exclude(time.Since(began))
		if n := min(c.Request.ContentLength, int64(l.max)+1) - uploadHead; n > 0 {
			b.Grow(int(n))
		}
		if _, err := io.Copy(&b, io.LimitReader(u, int64(l.max)+1-uploadHead)); err != nil {
			return nil, nil, u.problem(c, err)
		}
	}
	if b.Len() > l.max {
		// The rest is read and discarded, so that the client gets the error and not a broken connection.
		releaseToken()
		b = bytes.Buffer{}
		if _, err := io.Copy(io.Discard, u); err != nil {
			return nil, nil, u.problem(c, err)
		}
		return nil, nil, l.tooLarge
	}
	_ = u.control.SetReadDeadline(time.Time{})
	complete = true
	return b.Bytes(), releaseToken, nil
}
