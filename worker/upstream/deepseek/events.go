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

// events reads the data of server-sent events; comments, names and ids are skipped.
type events struct{ lines *bufio.Scanner }

func newEvents(in io.Reader) *events {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 4<<10), maxLine)
	return &events{lines: lines}
}

// next returns the data of the next event. An event that the end of the stream cuts short still counts. It fails with
// io.EOF at the end and otherwise with the error of the body.
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

// statusOf returns the status with which an error would come if it came with one, from how its message begins. What stands
// further on may be the user's own text: it must not make an account look empty, which would stop everybody's calls.
func statusOf(message string) (int, bool) {
	for _, known := range []struct {
		words  string
		status int
	}{
		{"Content Exists Risk", http.StatusBadRequest},
		{"Insufficient Balance", http.StatusPaymentRequired},
		{"Authentication Fails", http.StatusUnauthorized},
	} {
		if strings.HasPrefix(message, known.words) {
			return known.status, true
		}
	}
	return 0, false
}

// messageOf returns what an error says: "error" itself, the message within it, or that beside it.
func messageOf(said []byte) string {
	var outer struct {
		Error   json.RawMessage `json:"error"`
		Message string          `json:"message"`
	}
	// Members of another shape are left empty.
	_ = json.Unmarshal(said, &outer)
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

// errorIn returns the error of an error that came with a status of 200, which is sent before the outcome is known. The
// status is taken from the error where it names one, or from its five-digit code, which sorts requests that are wrong
// (2), accounts (3) and trouble of the service (5).
func errorIn(a *upstream.Response, said []byte) error {
	var inner struct {
		Status json.RawMessage `json:"status"`
		Code   json.RawMessage `json:"code"`
		Error  struct {
			Code   json.RawMessage `json:"code"`
			Status json.RawMessage `json:"status"`
		} `json:"error"`
	}
	// An error of another shape leaves these empty.
	_ = json.Unmarshal(said, &inner)
	for _, raw := range []json.RawMessage{inner.Status, inner.Error.Status, inner.Error.Code} {
		status, err := strconv.Atoi(string(bytes.Trim(raw, `"`)))
		if err == nil && status >= 400 && status <= 599 {
			return a.ClaimedError(status, said)
		}
	}
	if status, known := statusOf(messageOf(said)); known {
		return a.ClaimedError(status, said)
	}
	switch code, err := strconv.Atoi(string(bytes.Trim(inner.Code, `"`))); {
	case err != nil:
	case code >= 20000 && code < 30000:
		return a.ClaimedError(http.StatusBadRequest, said)
	case code >= 30000 && code < 40000:
		return a.ClaimedError(http.StatusForbidden, said)
	}
	return a.ClaimedError(http.StatusServiceUnavailable, said)
}
