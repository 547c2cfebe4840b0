package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// silence is the time after which a stream without even a comment, which the server sends every 15 seconds, is broken.
	silence = time.Minute
	// reconnectDelay is the delay before a reconnection unless the server names another.
	reconnectDelay = 2 * time.Second
	// maxLine bounds a line of a stream, which has a whole job.
	maxLine = 4 << 20
)

// Stream follows a job: it returns its current state, every change, and last its final state. A stream that breaks is resumed
// after the event received last; only if that fails as often as Config.Attempts in a row, or if the server refuses it, the last
// thing returned is an error.
func (c *Client) Stream(ctx context.Context, id string) iter.Seq2[*Job, error] {
	return func(yield func(*Job, error) bool) {
		s := stream{client: c, path: jobPath(id) + "/events", delay: reconnectDelay}
		for failures := 0; ; {
			received, done, err := s.read(ctx, yield)
			if done {
				return
			}
			if received {
				failures = 0
			}
			failures++
			delay, again := c.delay(failures, err)
			if ctx.Err() != nil || !again || failures >= c.attempts {
				yield(nil, err)
				return
			}
			if err := c.sleep(ctx, max(delay, s.delay)); err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

// stream is the position in the events of a job.
type stream struct {
	client *Client
	path   string
	last   string
	delay  time.Duration
}

// read connects and passes events on until the stream ends. done reports that nothing more is to come: the job has ended, or
// the caller wants no more.
func (s *stream) read(ctx context.Context, yield func(*Job, error) bool) (received, done bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	header := http.Header{"Accept": {"text/event-stream"}}
	if s.last != "" {
		header.Set("Last-Event-Id", s.last)
	}
	watchdog := time.AfterFunc(silence, cancel)
	defer watchdog.Stop()
	resp, err := s.client.send(ctx, request{method: http.MethodGet, path: s.path, header: header})
	if err != nil {
		if errors.Is(err, context.Canceled) {
			err = &brokenError{err}
		}
		return false, false, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusNoContent {
		return false, true, nil
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxLine)
	var id, data string
	for lines.Scan() {
		watchdog.Reset(silence)
		name, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "id":
			id = value
		case "data":
			data += value
		case "retry":
			if ms, err := strconv.Atoi(value); err == nil {
				s.delay = min(time.Duration(ms)*time.Millisecond, s.client.maxDelay)
			}
		}
		if lines.Text() != "" || data == "" {
			continue
		}
		var j Job
		if err := json.Unmarshal([]byte(data), &j); err != nil {
			return received, false, fmt.Errorf("decode event: %w", err)
		}
		received = true
		if id != "" {
			s.last = id
		}
		if !yield(&j, nil) || j.Ended() {
			return true, true, nil
		}
		id, data = "", ""
	}
	err = lines.Err()
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	return received, false, &brokenError{fmt.Errorf("read events: %w", err)}
}
