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

// reply accumulates a response.
type reply struct {
	content strings.Builder
	finish  string
	done    bool
	usage   usage
	cleaned string
	// hasChoice is set once a choice arrived.
	hasChoice bool
	// thoughtBytes is the length of the thoughts.
	thoughtBytes int
}

func (r *reply) text() string { return r.content.String() }

// finishTimeout bounds the time from the finish reason of a stream to its usage and its end.
const finishTimeout = 3 * time.Second

// maxThinking bounds the time for thoughts without text, in multiples of the idle time. Thinking is disabled, and a model
// that thinks nevertheless must not use up the whole attempt.
const maxThinking = 3

// readReply reads a response, streamed or complete: a server may send either, whatever was requested. It calls onText
// with the text so far after each event. It fails with the error of the body or with a *fault.Error.
func readReply(resp *upstream.Response, onText func(soFar string)) (*reply, error) {
	if resp.Compressed() {
		return nil, upstream.InvalidResponse("response is compressed, although not requested")
	}
	in := bufio.NewReader(resp)
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
		return r, r.readWhole(resp, in)
	case strings.IndexByte("deir:", first) >= 0:
		return r, r.readStream(resp, in, onText)
	}
	head, _ := in.Peek(in.Buffered())
	return nil, resp.UnexpectedError("response is neither JSON nor an event stream", bytes.Clone(head))
}

// firstByte returns the first byte that is not white space, without consuming it. A server under load sends blank lines
// until it processes the request.
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

// readWhole reads a response that is one JSON document.
func (r *reply) readWhole(resp *upstream.Response, in io.Reader) error {
	resp.Progress()
	body, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	var d document
	if json.Unmarshal(body, &d) != nil {
		return upstream.InvalidResponse("response is not JSON")
	}
	if d.failed() {
		return errorIn(resp, body)
	}
	r.add(d)
	r.done = true
	return nil
}

// readStream reads events until the end of the stream. The usage after the finish reason is optional: a stream that then
// stops or breaks off is still complete.
func (r *reply) readStream(resp *upstream.Response, in *bufio.Reader, onText func(soFar string)) error {
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
			return errorIn(resp, data)
		}
		written, thought, finished := r.content.Len(), r.thoughtBytes, r.finish != ""
		r.add(d)
		switch {
		case finished:
			// finishTimeout is running, and nothing extends it.
		case r.finish != "":
			resp.Limit(finishTimeout)
		case r.content.Len() > written:
			onText(r.text())
			resp.Progress()
		case r.thoughtBytes > thought && written == 0 && time.Since(begun) < (maxThinking-1)*resp.Idle():
			resp.Progress()
		}
	}
	return nil
}

// add adds a document. Only the first choice counts; a document may have none, such as the one with the usage.
func (r *reply) add(d document) {
	if d.Usage != nil {
		r.usage = *d.Usage
	}
	for _, c := range d.Choices {
		if c.Index != 0 {
			continue
		}
		r.hasChoice = true
		r.content.WriteString(c.Delta.Content)
		r.content.WriteString(c.Message.Content)
		r.thoughtBytes += len(c.Delta.Reasoning)
		if c.FinishReason != "" {
			r.finish = c.FinishReason
		}
	}
}

// check fails if the response is incomplete or empty. A part of a prompt or translation must not count as one.
func (r *reply) check() error {
	switch r.finish {
	case "length":
		return upstream.InvalidResponse("response was cut off at the token limit")
	case "content_filter":
		return &fault.Error{
			Class: fault.Moderated, Code: job.CodeModerated, Err: errors.New("model's filter ended the response"),
		}
	case "insufficient_system_resource":
		return &fault.Error{
			Class: fault.Retryable, Code: job.CodeUnavailable, Err: errors.New("model ran out of resources"),
		}
	case "tool_calls", "function_call":
		return upstream.InvalidResponse("model called a tool")
	}
	switch {
	case !r.hasChoice:
		return upstream.InvalidResponse("response contains no choice")
	case r.finish == "" && !r.done:
		return upstream.InvalidResponse("stream broke off")
	case r.cleaned == "":
		return upstream.InvalidResponse("response contains no text")
	}
	return nil
}
