package deepseek

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

// reply gathers a response as it comes.
type reply struct {
	model    string
	written  strings.Builder
	finish   string
	done     bool
	usage    usage
	cleaned  string
	answered bool
	// thought is how many bytes of thoughts came.
	thought int
}

func (r *reply) text() string { return r.written.String() }

// finishTimeout is how long a stream that has said why it ends may take to bring its usage and its last line.
const finishTimeout = 3 * time.Second

// maxThinking is how many times over a response may take its idle time with thoughts alone. Thinking is switched off, and
// a model that does it all the same must not do it until the attempt's end.
const maxThinking = 3

// readReply reads a response, streamed or whole: a server may respond either way, whatever it was asked for. It calls hear
// with what is written so far after each event. It fails with the error of the response's body or with a *fault.Error.
func readReply(a *upstream.Response, hear func(soFar string)) (*reply, error) {
	if a.Compressed() {
		return nil, upstream.InvalidResponse("response is compressed, which was not asked for")
	}
	in := bufio.NewReader(a)
	first, err := firstByte(in)
	if errors.Is(err, io.EOF) {
		return nil, upstream.InvalidResponse("response is empty")
	}
	if err != nil {
		return nil, err
	}
	r := &reply{}
	switch {
	case first == '{':
		return r, r.readWhole(a, in)
	case strings.IndexByte("deir:", first) >= 0:
		return r, r.readStream(a, in, hear)
	}
	head, _ := in.Peek(in.Buffered())
	return nil, a.UnexpectedError("response is neither JSON nor an event stream", bytes.Clone(head))
}

// firstByte returns the first byte that is no space and leaves it to be read. A server under load sends blank lines
// until it is this request's turn.
func firstByte(in *bufio.Reader) (byte, error) {
	for {
		head, err := in.Peek(1)
		if err != nil {
			return 0, err
		}
		switch head[0] {
		case ' ', '\t', '\r', '\n', 0xef, 0xbb, 0xbf:
			if _, err := in.Discard(1); err != nil {
				return 0, err
			}
		default:
			return head[0], nil
		}
	}
}

// readWhole reads a response that is one document.
func (r *reply) readWhole(a *upstream.Response, in io.Reader) error {
	a.Progress()
	body, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	var d document
	if json.Unmarshal(body, &d) != nil {
		return upstream.InvalidResponse("response is not JSON")
	}
	if d.failed() {
		return errorIn(a, body)
	}
	r.add(d)
	r.done = true
	return nil
}

// readStream reads events until the stream says that it is over. What comes after the reason for its end is welcome but
// not needed, so that a stream which then falls silent or breaks off has still answered.
func (r *reply) readStream(a *upstream.Response, in *bufio.Reader, hear func(soFar string)) error {
	events := newEvents(in)
	begun := time.Now()
	for !r.done {
		data, err := events.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			if r.finish != "" {
				return nil
			}
			return err
		}
		if string(data) == "[DONE]" {
			r.done = true
			return nil
		}
		var d document
		if json.Unmarshal(data, &d) != nil {
			return upstream.InvalidResponse("event is not JSON")
		}
		if d.failed() {
			return errorIn(a, data)
		}
		written, thought, over := r.written.Len(), r.thought, r.finish != ""
		r.add(d)
		switch {
		case over:
			// The time of grace runs already, and nothing prolongs it.
		case r.finish != "":
			a.Limit(finishTimeout)
		case r.written.Len() > written:
			hear(r.text())
			a.Progress()
		case r.thought > thought && written == 0 && time.Since(begun) < (maxThinking-1)*a.Idle():
			a.Progress()
		}
	}
	return nil
}

// add takes a document in. Only the first alternative counts; a document may well have none, such as the one that brings
// the usage.
func (r *reply) add(d document) {
	if d.Model != "" {
		r.model = d.Model
	}
	if d.Usage != nil {
		r.usage = *d.Usage
	}
	for _, c := range d.Choices {
		if c.Index != 0 {
			continue
		}
		r.answered = true
		r.written.WriteString(c.Delta.Content)
		r.written.WriteString(c.Message.Content)
		r.thought += len(c.Delta.Reasoning)
		if c.FinishReason != "" {
			r.finish = c.FinishReason
		}
	}
}

// check reports whether the response is one: ended for a good reason and not empty. Half a prompt or translation must not pass
// for one.
func (r *reply) check() error {
	switch r.finish {
	case "length":
		return upstream.InvalidResponse("response was cut short")
	case "content_filter":
		return &fault.Error{
			Class: fault.Moderated, Code: job.CodeModerated, Err: errors.New("model's filter ended the response"),
		}
	case "insufficient_system_resource":
		return &fault.Error{
			Class: fault.Retryable, Code: job.CodeUnavailable, Err: errors.New("model ran out of resources"),
		}
	case "tool_calls", "function_call":
		return upstream.InvalidResponse("model called a tool in place of answering")
	}
	switch {
	case !r.answered:
		return upstream.InvalidResponse("response holds no choice")
	case r.finish == "" && !r.done:
		return upstream.InvalidResponse("stream broke off")
	case r.cleaned == "":
		return upstream.InvalidResponse("response holds no text")
	}
	return nil
}
