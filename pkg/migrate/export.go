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

// maxEntry bounds an entry, in bytes. Cloudflare stores values of up to 25 MiB, which grow when they are encoded as JSON.
const maxEntry = 64 << 20

// entry is one entry of an export.
type entry struct {
	// Position counts from 1, in the order of the export.
	Position int
	Key      string
	// Value is the stored value, whether it was exported as a string or as JSON. It is empty for an entry without a value.
	Value []byte
}

// rawEntry is the JSON of an entry. Some tools write name, some key, and some both.
type rawEntry struct {
	Name   string          `json:"name"`
	Key    string          `json:"key"`
	Value  json.RawMessage `json:"value"`
	Base64 bool            `json:"base64"`
}

// forEach reads an export, a JSON array of entries, and calls do for each of them in order until do fails. When it returns an
// error because the export is malformed or has trailing data, do was called for the entries before.
func forEach(r io.Reader, do func(entry) error) error { return forEachUpTo(r, maxEntry, do) }

func forEachUpTo(r io.Reader, limit int, do func(entry) error) error {
	source := &limitedReader{r: r, left: limit}
	d := json.NewDecoder(withoutBOM(source))
	if token, err := d.Token(); err != nil || token != json.Delim('[') {
		return errors.New("read export: it is not a JSON array")
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
		return errors.New("read export: it is truncated")
	}
	source.left = limit
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("read export: unexpected data after the array, which was not imported")
	}
	return nil
}

// decodeFault describes a decoding error without quoting the entry.
func decodeFault(err error, limit int) string {
	switch {
	case errors.Is(err, errTooLarge):
		return fmt.Sprintf("is larger than %d bytes", limit)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "is incomplete: the export is truncated"
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

// limitedReader returns errTooLarge after left bytes, unlike io.LimitedReader, which returns io.EOF.
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

// withoutBOM returns a reader that skips a UTF-8 byte order mark.
func withoutBOM(r io.Reader) io.Reader {
	const bom = "\ufeff"
	buffered := bufio.NewReader(r)
	if start, err := buffered.Peek(len(bom)); err == nil && string(start) == bom {
		_, _ = buffered.Discard(len(bom)) // Cannot fail after Peek.
	}
	return buffered
}
