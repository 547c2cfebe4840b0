package migrate

import (
	"bufio"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxEntry bounds an entry, in bytes. Cloudflare takes values of up to 25 MiB, which grow when they are written as JSON.
const maxEntry = 64 << 20

// entry is one entry of an export.
type entry struct {
	// Position counts from 1, in the order of the export.
	Position int
	Key      string
	// Value is what was stored, whether it was exported as a string or, where it is JSON, as the JSON itself. It is empty
	// for an entry without a value.
	Value []byte
}

// rawEntry is an entry as it is written. Some tools write name, some key, and some both.
type rawEntry struct {
	Name   string          `json:"name"`
	Key    string          `json:"key"`
	Value  json.RawMessage `json:"value"`
	Base64 bool            `json:"base64"`
}

// forEach reads an export, a JSON array of entries, and calls do for each of them in order until do fails. It fails when
// the export is no such array or has something behind it, which it finds when it gets there: the entries before have been
// handed to do by then.
func forEach(r io.Reader, do func(entry) error) error { return forEachUpTo(r, maxEntry, do) }

func forEachUpTo(r io.Reader, limit int, do func(entry) error) error {
	source := &limitedReader{r: r, left: limit}
	d := json.NewDecoder(withoutBOM(source))
	if token, err := d.Token(); err != nil || token != json.Delim('[') {
		return errors.New("read export: it is no JSON array")
	}
	for n := 1; d.More(); n++ {
		source.left = limit
		var raw rawEntry
		if err := d.Decode(&raw); err != nil {
			return fmt.Errorf("read export: entry %d %s", n, decodeFault(err, limit))
		}
		if err := do(entry{n, cmp.Or(raw.Name, raw.Key), raw.value()}); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return errors.New("read export: it ends in the middle")
	}
	source.left = limit
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("read export: something follows its array, which was not read")
	}
	return nil
}

// decodeFault says what is wrong with an entry without quoting it.
func decodeFault(err error, limit int) string {
	switch {
	case errors.Is(err, errTooLarge):
		return fmt.Sprintf("is larger than %d bytes", limit)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "is cut off: the export ends in the middle"
	}
	return "is not JSON of the form {name, value}"
}

func (r rawEntry) value() []byte {
	var text string
	if len(r.Value) == 0 || json.Unmarshal(r.Value, &text) != nil {
		return r.Value
	}
	if r.Base64 {
		if data, err := base64.StdEncoding.DecodeString(text); err == nil {
			return data
		}
	}
	return []byte(text)
}

var errTooLarge = errors.New("the entry is too large")

// limitedReader fails with errTooLarge once left is used up. Unlike io.LimitedReader it does not pretend that the input
// ends there.
type limitedReader struct {
	r    io.Reader
	left int
}

func (l *limitedReader) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errTooLarge
	}
	n, err := l.r.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}

// withoutBOM skips the byte order mark that some systems put in front of UTF-8.
func withoutBOM(r io.Reader) io.Reader {
	const bom = "\ufeff"
	buffered := bufio.NewReader(r)
	if start, err := buffered.Peek(len(bom)); err == nil && string(start) == bom {
		_, _ = buffered.Discard(len(bom)) // Of what is buffered already.
	}
	return buffered
}
