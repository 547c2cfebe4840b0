package feedback

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/text2image-audio/text2image-audio/pkg/export"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// exported is an entry of an export.
type exported export.Entry

// former is feedback as programs of several years have stored it. What is left out, null or of another type costs nobody
// the feedback, as long as it says something.
type former map[string]any

// readFormer returns the feedback of a value, or nil.
func readFormer(value []byte) former {
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber()
	var f former
	if d.Decode(&f) != nil {
		return nil
	}
	return f
}

// text returns a text, or a number as it stands; anything else is none.
func (f former) text(name string) string {
	switch said := f[name].(type) {
	case string:
		return said
	case json.Number:
		return said.String()
	}
	return ""
}

// formerPrefix begins the keys of feedback, which go on with the id of the user, a line and the milliseconds since 1970.
const formerPrefix = "feedback_"

// formerIDs begins the names of feedback whose own cannot be part of a subject.
const formerIDs = "f-"

// entry returns the feedback of an entry, or why there is none in it.
func (x exported) entry(owners map[string]string) (e *Entry, reason string) {
	rest, is := strings.CutPrefix(x.Name, formerPrefix)
	line := strings.LastIndexByte(rest, '_')
	if !is || line < 1 {
		return nil, "its key is not that of feedback"
	}
	was, user := readFormer(x.Value), rest[:line]
	if was == nil {
		return nil, "its value is not the JSON of feedback"
	}
	if said := was.text("userId"); said != "" && said != user {
		return nil, "its key names another user than its own"
	}
	owner, known := owners[user]
	at, timed := was.at(rest[line+1:])
	e = &Entry{
		ID: formerID(x.Name), UserID: user, Email: was.text("email"), Category: Clean(was.text("category")), Content: Clean(was.text("content")), CreatedAt: at,
		Status: Pending, Owner: owner, era: eraFormer, day: at.Format(dayLayout),
	}
	if e.Category == "" {
		e.Category = CategoryOther
	}
	if Status(was.text("status")) == Processed {
		e.Status = Processed
	}
	switch {
	case !known:
		return nil, "its user has no account here"
	case !timed:
		return nil, "it has no time"
	case e.Content == "":
		return nil, "it has no content"
	case utf8.RuneCountInString(e.Content) > MaxContent || utf8.RuneCountInString(e.Category) > MaxCategory:
		return nil, "it is too long"
	case len(e.Email) > maxEmail:
		return nil, "its e-mail address is too long"
	}
	return e, ""
}

// maxEmail bounds an address, in bytes.
const maxEmail = 254

// at returns when feedback was given: as it says itself, or else its key.
func (f former) at(key string) (job.Time, bool) {
	for _, said := range []string{f.text("created_at"), key} {
		at, err := time.Parse(time.RFC3339, said)
		if ms, bad := strconv.ParseInt(said, 10, 64); bad == nil {
			at, err = time.UnixMilli(ms), nil
		}
		// A year of other than four digits makes no token, and no time that can be read back.
		if year := at.UTC().Year(); err == nil && year >= 1970 && year <= 9999 {
			return job.At(at), true
		}
	}
	return job.Time{}, false
}

// formerID returns the id of imported feedback, always the same for the same key.
func formerID(name string) string {
	if job.ValidToken(name) {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return formerIDs + hex.EncodeToString(sum[:16])
}
