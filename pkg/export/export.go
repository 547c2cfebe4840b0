// Package export reads what Cloudflare KV exports of a store: a JSON array of entries with a name, or key, and a value. It
// holds one entry at a time, however long the export is, and writes nothing of what an entry says into an error.
package export

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// MaxEntry bounds an entry, in bytes. Cloudflare takes values of up to 25 MiB, which grow when they are written as JSON.
const MaxEntry = 64 << 20

// Entry is one entry of an export.
type Entry struct {
	// Place counts from 1, in the order of the export.
	Place int
	Name  string
	// Value is what was stored, be it exported as that text or, where that is JSON, as the JSON itself. It is empty where
	// an entry has none.
	Value []byte
}

// raw is an entry as it is written. Some tools write name, some key, and some both.
type raw struct {
	Name   string          `json:"name"`
	Key    string          `json:"key"`
	Value  json.RawMessage `json:"value"`
	Base64 bool            `json:"base64"`
}

// Each hands the entries of an export to take, in their order, and ends with take's first error. It fails when the export
// is no such array, or not only that, which it finds where it is; what take was handed until then is done.
func Each(r io.Reader, take func(Entry) error) error { return each(r, MaxEntry, take) }

func each(r io.Reader, most int, take func(Entry) error) error {
	source := &bounded{r: r, left: most}
	d := json.NewDecoder(&unmarked{r: source})
	if token, err := d.Token(); err != nil || token != json.Delim('[') {
		return errors.New("read export: it is no JSON array")
	}
	for n := 1; d.More(); n++ {
		source.left = most
		var x raw
		if err := d.Decode(&x); err != nil {
			return fmt.Errorf("read export: entry %d %s", n, wrong(err, most))
		}
		if err := take(Entry{n, cmp.Or(x.Name, x.Key), x.value()}); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return errors.New("read export: it ends in the middle")
	}
	source.left = most
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("read export: something follows its array, which was not read")
	}
	return nil
}

// wrong says what is wrong with an entry.
func wrong(err error, most int) string {
	switch {
	case errors.Is(err, errTooLarge):
		return fmt.Sprintf("is larger than %d bytes", most)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "is cut off: the export ends in the middle"
	}
	return "is not JSON of the form {name, value}"
}

func (x raw) value() []byte {
	var text string
	if len(x.Value) == 0 || json.Unmarshal(x.Value, &text) != nil {
		return x.Value
	}
	if x.Base64 {
		if data, err := base64.StdEncoding.DecodeString(text); err == nil {
			return data
		}
	}
	return []byte(text)
}

var errTooLarge = errors.New("the entry is too large")

// bounded reads no more than it may until it is given more.
type bounded struct {
	r    io.Reader
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLarge
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// unmarked leaves out the mark of UTF-8 that some systems put in front of a text.
type unmarked struct {
	r     io.Reader
	begun bool
}

func (u *unmarked) Read(p []byte) (int, error) {
	if u.begun {
		return u.r.Read(p)
	}
	u.begun = true
	mark := utf8.AppendRune(nil, '\ufeff')
	first := make([]byte, len(mark))
	n, err := io.ReadFull(u.r, first)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, err
	}
	if first = first[:n]; bytes.Equal(first, mark) {
		first = nil
	}
	u.r = io.MultiReader(bytes.NewReader(first), u.r)
	return u.r.Read(p)
}
