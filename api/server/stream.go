package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/feed"
	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
	"github.com/text2image-audio/text2image-audio/api/server/internal/sse"
	"github.com/text2image-audio/text2image-audio/pkg/batch"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// stream is an open event stream, which outlives the handler of its request. While nothing happens it has one goroutine, which
// awaits the end of the connection; another one runs while there is something to write.
type stream struct {
	handler *eventHandler
	conn    *sse.Stream
	reader  *feed.Reader
	// batch is nil unless the stream is that of a batch.
	batch *batchProgress
	lang  job.Lang
	// single is set for the stream of one job, whose event ids are states; those of the others are times.
	single bool
	// token is that of the member, or "".
	token string
	// release releases the slot of the stream, cancel its context, and observe counts and logs the request.
	release, cancel, observe func()

	mu sync.Mutex
	// writing is set while a goroutine writes, woken if it has to look for events again, and silent if a comment is due.
	writing, woken, silent bool
	ended                  bool
	timer                  *time.Timer
	// wrote is the time of the last write, checked that of the last check of the token. checking is set during a check, and reading
	// while the state of a batch is read again.
	wrote, checked    time.Time
	checking, reading bool
}

// stream responds with the events of a reader, which watch opens, until they end, the client disconnects, its token becomes invalid, or
// the server stops. In each case the response ends normally and the client may reconnect. start is the id with which the stream
// starts, if any.
func (h *eventHandler) stream(c *gin.Context, caller session.Caller, start string, watch func(context.Context, *stream) error) error {
	release, err := h.limits.reserveStream(caller)
	if err != nil {
		return err
	}
	ctx, opened, cancel := lifetime.OpeningStream(c.Request.Context())
	s := &stream{handler: h, lang: problem.Lang(c), release: release, cancel: cancel}
	if caller.Member != nil {
		s.token = caller.Member.Token
	}
	if err = watch(ctx, s); err == nil {
		err = s.open(c, start)
	}
	opened()
	if s.observe != nil {
		return nil // The stream outlives this handler.
	}
	if s.reader != nil {
		s.reader.Close()
	}
	cancel()
	release()
	if stopping(err) {
		endEmpty(c, start)
		return nil
	}
	return err
}

// stopping reports whether a stream failed because the server stops.
func stopping(err error) bool { return errors.Is(err, lifetime.ErrStopping) }

// endEmpty responds with a stream that ends at once: a browser reconnects after the end of a stream, but not after an error
// status.
func endEmpty(c *gin.Context, start string) {
	markLongRequest(c, telemetry.LongStream)
	conn, err := sse.Open(c.Writer, c.Request)
	if err != nil {
		return // The client is gone.
	}
	if err := conn.Start(start); err == nil {
		conn.SendRandomRetry()
	}
	conn.End()
	go conn.AwaitClient(func() {})
}

// open responds with the stream and its first event, and leaves the rest to the stream, unless there is nothing to stream.
func (s *stream) open(c *gin.Context, start string) error {
	var first feed.Event
	err := error(feed.ErrNone)
	if s.batch == nil {
		first, err = s.reader.Next()
	}
	none := errors.Is(err, feed.ErrNone)
	if err != nil && !none {
		if stopping(err) {
			return err
		}
		return problem.Unavailable(err)
	}
	seen := lastEventID(c)
	if s.single && first.ID == job.EventIDEnd && seen == job.EventIDEnd {
		// The client has received everything. 204 keeps a browser from reconnecting.
		respond.Empty(c, http.StatusNoContent)
		return nil
	}
	if s.conn, err = sse.Open(c.Writer, c.Request); err != nil {
		return nil //nolint:nilerr // The client is gone.
	}
	h := s.handler
	h.open.Add(1)
	h.metrics.StreamsOpen.Inc()
	s.observe = h.outlive(c)
	repeated := s.single && first.ID == seen
	if err = s.conn.Start(start); err == nil && !none && !repeated {
		err = s.send(first)
	}
	if err != nil {
		s.end(err)
	} else {
		s.run()
	}
	go s.conn.AwaitClient(s.reader.Close)
	return nil
}

// run starts to write events, comments and checks of the token as they are due.
func (s *stream) run() {
	now := time.Now()
	s.mu.Lock()
	s.wrote, s.checked = now, now
	s.timer = time.AfterFunc(s.handler.keepAlive, s.tick)
	s.mu.Unlock()
	s.reader.Notify(s.wake)
}

// wake has a goroutine write what there is to write.
func (s *stream) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.woken = true
	if !s.writing {
		s.writing = true
		go s.write()
	}
}

// tick writes a comment if the stream was silent, and ends the stream if the token is no longer valid. It runs in a goroutine of
// its own, so the check does not hold up events.
func (s *stream) tick() {
	now, interval := time.Now(), s.handler.keepAlive
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return
	}
	silent := now.Sub(s.wrote) >= interval
	if silent {
		s.silent, s.wrote = true, now
	}
	check := s.token != "" && !s.checking && now.Sub(s.checked) >= interval
	reread := silent && s.batch != nil && !s.reading
	s.reading = s.reading || reread
	if check {
		s.checking, s.checked = true, now
	}
	next := s.wrote
	if s.token != "" && s.checked.Before(next) {
		next = s.checked
	}
	s.timer.Reset(max(next.Add(interval).Sub(now), interval/16))
	s.mu.Unlock()
	if silent {
		s.wake()
	}
	if reread {
		s.reread()
	}
	if !check {
		return
	}
	valid := s.handler.sessions.StillValid(context.Background(), s.token)
	s.mu.Lock()
	s.checking = false
	s.mu.Unlock()
	if !valid {
		s.reader.Close()
	}
}

// reread brings the stream of a batch up to date.
func (s *stream) reread() {
	ctx, cancel := context.WithTimeout(context.Background(), lifetime.OperationTimeout)
	defer cancel()
	err := s.batch.read(ctx, time.Time{})
	s.mu.Lock()
	s.reading = false
	s.mu.Unlock()
	if errors.Is(err, batch.ErrNotFound) {
		s.reader.Close()
		return
	}
	// After another error the next silence is another chance.
	s.wake()
}

// write writes until there is nothing to write or the stream has ended.
func (s *stream) write() {
	defer s.recoverPanic()
	for {
		s.mu.Lock()
		if s.writing = s.woken; !s.writing {
			s.mu.Unlock()
			return
		}
		silent := s.silent
		s.woken, s.silent = false, false
		s.mu.Unlock()
		if err := s.writePending(silent); err != nil {
			runtime.Gosched() // The events of other streams go first: the end of a job ends all its streams.
			s.end(err)
			return
		}
	}
}

// writePending writes all events there are or, if the stream was silent and there are none, a comment.
func (s *stream) writePending(silent bool) error {
	for {
		e, err := s.next()
		switch {
		case errors.Is(err, feed.ErrNone) && silent:
			return s.conn.KeepAlive()
		case errors.Is(err, feed.ErrNone):
			return nil
		case err != nil:
			return err
		}
		if err := s.conn.Send(e); err != nil {
			return err
		}
		silent = false
		s.mu.Lock()
		s.wrote = time.Now()
		s.mu.Unlock()
	}
}

// next returns the next event to send. It fails with feed.ErrNone when there is none for now, and with the reason why there are no more.
func (s *stream) next() (sse.Event, error) {
	if s.batch != nil {
		return s.batch.next(s)
	}
	e, err := s.reader.Next()
	if err != nil {
		return nil, err
	}
	return s.encode(e)
}

// send sends the whole job as one event.
func (s *stream) send(e feed.Event) error {
	data, err := s.encode(e)
	if err != nil {
		return err
	}
	return s.conn.Send(data)
}

// encode returns the whole job as one event, named after the status of the job. The streams of one job, and those of all jobs of one
// owner, share the encoded event.
func (s *stream) encode(e feed.Event) (sse.Event, error) {
	data, err := e.Encode(s.lang, func() ([]byte, error) {
		view := *e.Job
		data, err := respond.Encode(problem.Translate(&view, s.lang))
		id := e.ID
		if !s.single && id != "" {
			id = s.handler.eventTime()
		}
		return sse.NewEvent(string(e.Job.Status), id, data), err
	})
	return data, err
}

// end ends the stream because of err. It is called once, and nothing writes afterwards.
func (s *stream) end(err error) {
	s.mu.Lock()
	s.ended = true
	if s.timer != nil {
		s.timer.Stop()
	}
	s.mu.Unlock()
	h := s.handler
	defer h.open.Done()
	s.reader.Close()
	s.cancel()
	s.release()
	s.countIfSlow(err)
	h.metrics.StreamsOpen.Dec()
	s.observe()
	if stopping(err) {
		s.conn.SendRandomRetry()
	}
	s.conn.End()
}

// countIfSlow counts a stream if err says that its client did not keep up.
func (s *stream) countIfSlow(err error) {
	timeout, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	if errors.Is(err, feed.ErrSlow) || ok && timeout.Timeout() {
		s.handler.metrics.SlowReadersDropped.Inc()
	}
}

// recoverPanic ends the stream after a panic, which is a bug of this program, so that the others continue.
func (s *stream) recoverPanic() {
	caught := recover()
	if caught == nil {
		return
	}
	s.handler.metrics.Panics.WithLabelValues("http").Inc()
	s.handler.log.ErrorContext(context.Background(), "panic in an event stream",
		slog.String("panic", fmt.Sprint(caught)), slog.String("stack", string(debug.Stack())))
	s.mu.Lock()
	ended := s.ended
	s.mu.Unlock()
	if !ended {
		s.end(io.ErrUnexpectedEOF)
	}
}
