//go:build linux

package measure

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

// readers are open event streams of jobs.
type readers struct {
	group *errgroup.Group
	// ended is when each stream received the end of its job.
	ended []time.Time
	// reopened counts the streams that ended before the job, and refused the attempts to open one that returned 503.
	reopened, refused atomic.Int64
}

// errBusy is the refusal of a stream by a process that is too busy.
var errBusy = errors.New("status 503")

// retryBusy is how long a client waits after a refusal.
const retryBusy = time.Second

// openReaders opens an event stream for each path and returns when each has received its first event. The streams end with the
// jobs; a stream that ends before is opened again, as browsers do, and so is one that is refused because the process is busy.
func openReaders(ctx context.Context, addr string, paths []string) (*readers, error) {
	g, ctx := errgroup.WithContext(ctx)
	r := &readers{group: g, ended: make([]time.Time, len(paths))}
	opening := make(chan struct{}, connections)
	opened := make(chan struct{}, len(paths))
	for i, path := range paths {
		g.Go(func() error {
			select {
			case opening <- struct{}{}:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			first := true
			for {
				end, err := follow(ctx, addr, path, func() {
					if first {
						first = false
						<-opening
						opened <- struct{}{}
					}
				})
				switch {
				case errors.Is(err, errBusy) && lifecycle.Sleep(ctx, retryBusy):
					r.refused.Add(1)
				case err != nil:
					return fmt.Errorf("stream %s: %w", path, err)
				case !end.IsZero():
					r.ended[i] = end
					return nil
				default:
					r.reopened.Add(1)
				}
			}
		})
	}
	for range paths {
		select {
		case <-opened:
		case <-ctx.Done():
			if err := g.Wait(); err != nil {
				return nil, err
			}
			return nil, context.Cause(ctx)
		}
	}
	return r, nil
}

// wait waits until every stream has received the end of its job.
func (r *readers) wait() error { return r.group.Wait() }

// follow reads one event stream on a connection of its own, calls event after each event and returns when it received the end of
// the job; zero if the stream ended before. A client of net/http would need several goroutines for each stream.
func follow(ctx context.Context, addr, path string, event func()) (end time.Time, err error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return time.Time{}, fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	defer func() {
		if err != nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		return time.Time{}, fmt.Errorf("create request: %w", err)
	}
	if err := req.Write(conn); err != nil {
		return time.Time{}, fmt.Errorf("send request: %w", err)
	}
	res, err := http.ReadResponse(bufio.NewReaderSize(conn, kib), req)
	if err != nil {
		return time.Time{}, fmt.Errorf("read response: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode == http.StatusServiceUnavailable {
		return time.Time{}, errBusy
	}
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, maxErrorText))
		return time.Time{}, fmt.Errorf("status %d: %s", res.StatusCode, text)
	}
	return readEvents(res.Body, event)
}

var eventField = []byte("event: ")

// readEvents reads events until that of a terminal status. A job that has not succeeded is an error.
func readEvents(body io.Reader, event func()) (end time.Time, err error) {
	lines := bufio.NewReaderSize(body, kib)
	for {
		line, err := lines.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue // Only the lines with the name of an event matter.
		case errors.Is(err, io.EOF):
			return time.Time{}, nil
		case err != nil:
			return time.Time{}, fmt.Errorf("read events: %w", err)
		}
		name, ok := bytes.CutPrefix(bytes.TrimRight(line, "\n"), eventField)
		if !ok {
			continue
		}
		event()
		switch string(name) {
		case succeeded:
			return time.Now(), nil
		case "failed", "canceled":
			return time.Time{}, fmt.Errorf("the job has %s", name)
		}
	}
}
