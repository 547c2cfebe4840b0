package upstream_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

// drip is a body that returns its pieces one by one, each after a pause, and then blocks until the call ends.
type drip struct {
	ctx    context.Context
	pause  time.Duration
	pieces []string
	ends   bool
}

func (d *drip) Read(p []byte) (int, error) {
	if len(d.pieces) == 0 && d.ends {
		return 0, io.EOF
	}
	pause := d.pause
	if len(d.pieces) == 0 {
		pause = 24 * time.Hour
	}
	select {
	case <-time.After(pause):
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	}
	piece := d.pieces[0]
	n := copy(p, piece)
	if d.pieces = d.pieces[1:]; n < len(piece) {
		// The pieces are shared with other tests.
		d.pieces = append([]string{piece[n:]}, d.pieces...)
	}
	return n, nil
}

func (d *drip) Close() error { return nil }

// dripping is a transport whose responses have such a body.
type dripping struct {
	status int
	pause  time.Duration
	pieces []string
	ends   bool
	// length is the Content-Length; 0 means none.
	length int64
}

func (d dripping) RoundTrip(r *http.Request) (*http.Response, error) {
	length := int64(-1)
	if d.length > 0 {
		length = d.length
	}
	return &http.Response{
		StatusCode: d.status, Header: http.Header{}, ContentLength: length,
		Body: &drip{ctx: r.Context(), pause: d.pause, pieces: d.pieces, ends: d.ends},
	}, nil
}

func TestIdle(t *testing.T) {
	t.Parallel()
	const idle = 10 * time.Second
	pieces := strings.Split(strings.Repeat("x ", 10), " ")[:10]
	rows := []struct {
		name     string
		response dripping
		quiet    bool
		accept   func(*upstream.Response) error
		// takes is the expected duration of the call; code is empty if it should succeed.
		takes time.Duration
		code  string
		class fault.Class
		idle  bool
	}{
		{
			name: "slow", response: dripping{status: 200, pause: 9 * time.Second, pieces: pieces, ends: true},
			takes: 90 * time.Second,
		},
		{
			name: "shorter than Content-Length", response: dripping{status: 200, pause: time.Second, pieces: pieces, ends: true, length: 11},
			takes: 10 * time.Second, code: job.CodeInvalidAnswer, class: fault.Retryable,
		},
		{
			name: "idle from the start", response: dripping{status: 200},
			takes: idle, code: job.CodeTimeout, class: fault.Retryable, idle: true,
		},
		{
			name: "idle in the middle", response: dripping{status: 200, pause: 9 * time.Second, pieces: pieces},
			takes: 100 * time.Second, code: job.CodeTimeout, class: fault.Retryable, idle: true,
		},
		{
			name: "quiet: bytes are no progress", response: dripping{status: 200, pause: 3 * time.Second, pieces: pieces}, quiet: true,
			takes: idle, code: job.CodeTimeout, class: fault.Retryable, idle: true,
		},
		{
			name: "quiet: Progress is called", response: dripping{status: 200, pause: 9 * time.Second, pieces: pieces[:3], ends: true}, quiet: true,
			accept: func(resp *upstream.Response) error {
				for {
					if _, err := resp.Read(make([]byte, 1)); err != nil {
						return nil //nolint:nilerr // The end, or the idle time-out.
					}
					resp.Progress()
				}
			},
			takes: 27 * time.Second,
		},
		{
			name: "error without a body", response: dripping{status: 503},
			takes: 5 * time.Second, code: job.CodeUnavailable, class: fault.Retryable,
		},
		{
			name: "unexpected response with a slow body", response: dripping{status: 200, pause: 3 * time.Second, pieces: pieces},
			accept: func(resp *upstream.Response) error { return resp.UnexpectedError("response is unexpected", nil) },
			takes:  5 * time.Second, code: job.CodeInvalidAnswer, class: fault.Retryable,
		},
		{
			name: "rest with a time limit", response: dripping{status: 200, pause: 3 * time.Second, pieces: pieces, ends: true},
			accept: func(resp *upstream.Response) error {
				resp.Limit(7 * time.Second)
				_, err := resp.ReadAll()
				return err
			},
			takes: 7 * time.Second, code: job.CodeTimeout, class: fault.Retryable, idle: true,
		},
		{
			name: "rest that is not read", response: dripping{status: 200},
			accept: func(*upstream.Response) error { return nil },
			takes:  250 * time.Millisecond,
		},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := upstream.Caller{HTTP: &http.Client{Transport: r.response}, Idle: idle}
				accept := r.accept
				if accept == nil {
					accept = func(resp *upstream.Response) error {
						_, err := resp.ReadAll()
						return err
					}
				}
				request := newRequest("http://example.org")
				request.Quiet = r.quiet
				begun := time.Now()
				err := c.Do(t.Context(), request, accept)
				if took := time.Since(begun); took != r.takes {
					t.Errorf("took %v, want %v", took, r.takes)
				}
				if r.code == "" {
					if err != nil {
						t.Error(err)
					}
					return
				}
				requireRedacted(t, err)
				f, _ := errors.AsType[*fault.Error](err)
				if f.Code != r.code || f.Class != r.class || errors.Is(err, upstream.ErrIdle) != r.idle {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

// A call that is canceled while its body is idle fails as canceled, not as timed out.
func TestCanceledWhileReading(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("shutting down")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(why) })
		for _, status := range []int{200, 503} {
			c := upstream.Caller{HTTP: &http.Client{Transport: dripping{status: status}}}
			err := c.Do(ctx, newRequest("http://example.org"), func(resp *upstream.Response) error {
				_, err := resp.ReadAll()
				return err
			})
			f, _ := errors.AsType[*fault.Error](err)
			if f == nil || f.Class != fault.Canceled || !errors.Is(err, why) {
				t.Errorf("status %d: got %v", status, err)
			}
		}
	})
}
