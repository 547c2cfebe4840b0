package deepseek

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

// maxLine bounds one line of a stream, in bytes.
const maxLine = 1 << 20

// events reads the data of server-sent events and skips all other lines.
type events struct{ lines *bufio.Scanner }

func newEvents(in io.Reader) *events {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 4<<10), maxLine)
	return &events{lines: lines}
}

// next returns the data of the next event, also of one that the end of the stream cuts off. It fails with io.EOF at the
// end of the stream, or with the error of the body.
func (e *events) next() ([]byte, error) {
	var data []byte
	begun := false
	for e.lines.Scan() {
		line := e.lines.Bytes()
		if len(line) == 0 {
			if begun {
				return data, nil
			}
			continue
		}
		value, is := bytes.CutPrefix(line, []byte("data:"))
		if !is {
			continue
		}
		if begun {
			data = append(data, '\n')
		}
		data = append(data, bytes.TrimPrefix(value, []byte(" "))...)
		begun = true
	}
	switch err := e.lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, upstream.InvalidResponse("event is too long")
	case err != nil:
		return nil, err
	case begun:
		return data, nil
	}
	return nil, io.EOF
}

// statusOf returns the HTTP status that belongs to an error message, by its prefix. The rest of the message may quote the
// user's text, which must not make a request look like an empty account and open the circuit breaker.
func statusOf(message string) (int, bool) {
	for _, known := range []struct {
		prefix string
		status int
	}{
		{"Content Exists Risk", http.StatusBadRequest},
		{"Insufficient Balance", http.StatusPaymentRequired},
		{"Authentication Fails", http.StatusUnauthorized},
	} {
		if strings.HasPrefix(message, known.prefix) {
			return known.status, true
		}
	}
	return 0, false
}

// messageOf returns the message of an error: "error" itself, the "message" in it, or the "message" next to it.
func messageOf(body []byte) string {
	var outer struct {
		Error   json.RawMessage `json:"error"`
		Message string          `json:"message"`
	}
	// Members of another type remain empty.
	_ = json.Unmarshal(body, &outer)
	var message string
	if json.Unmarshal(outer.Error, &message) == nil && message != "" {
		return message
	}
	var inner struct {
		Message string `json:"message"`
	}
	_ = json.Unmarshal(outer.Error, &inner)
	return cmp.Or(inner.Message, outer.Message)
}

// errorIn returns the error of an error body in a response with status 200, which is sent before the outcome is known. Its
// status is that in the body, or follows from the message or the five-digit code: 2xxxx for an invalid request, 3xxxx for
// the account, anything else for a failure of the service.
func errorIn(resp *upstream.Response, body []byte) error {
	var inner struct {
		Status json.RawMessage `json:"status"`
		Code   json.RawMessage `json:"code"`
		Error  struct {
			Code   json.RawMessage `json:"code"`
			Status json.RawMessage `json:"status"`
		} `json:"error"`
	}
	// Members of another type remain empty.
	_ = json.Unmarshal(body, &inner)
	for _, raw := range []json.RawMessage{inner.Status, inner.Error.Status, inner.Error.Code} {
		status, err := strconv.Atoi(string(bytes.Trim(raw, `"`)))
		if err == nil && status >= 400 && status <= 599 {
			return resp.ClaimedError(status, body)
		}
	}
	if status, known := statusOf(messageOf(body)); known {
		return resp.ClaimedError(status, body)
	}
	switch code, err := strconv.Atoi(string(bytes.Trim(inner.Code, `"`))); {
	case err != nil:
	case code >= 20000 && code < 30000:
		return resp.ClaimedError(http.StatusBadRequest, body)
	case code >= 30000 && code < 40000:
		return resp.ClaimedError(http.StatusForbidden, body)
	}
	return resp.ClaimedError(http.StatusServiceUnavailable, body)
}
