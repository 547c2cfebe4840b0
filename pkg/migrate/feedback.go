package migrate

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/feedback"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// Feedback imports an export of the namespace FEEDBACK. owners are those that Owners returns: feedback of somebody without
// an account here is skipped, since it could not be deleted with the account. Feedback that was deleted here since the last
// import comes back. It fails when the export is no JSON array of entries, before anything is written, and when NATS takes
// no more; what was imported until then stays. It costs two or three requests for each entry.
func Feedback(ctx context.Context, to *feedback.Box, export io.Reader, owners map[string]string) (*Result, error) {
	result := &Result{}
	type found struct {
		position int
		*feedback.Entry
	}
	var entries []found
	err := forEach(export, func(e entry) error {
		// Lists of keys, which follow from the feedback, and rate limits that ended long ago.
		if hasPrefix(e.Key, "user_feedback:", "feedback_rate_limit:") {
			result.Foreign++
			return nil
		}
		f, reason := feedbackOf(e, owners)
		if reason == "" {
			entries = append(entries, found{e.Position, f})
		}
		result.skip(e.Position, 0, reason)
		return nil
	})
	if err != nil {
		return result, err
	}
	// Lists are in the order of writing.
	slices.SortStableFunc(entries, func(a, b found) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt.Time), cmp.Compare(a.position, b.position))
	})
	for _, e := range entries {
		created, err := to.Import(ctx, e.Entry)
		switch {
		case err != nil:
			return result, fmt.Errorf("import entry %d: %w", e.position, err)
		case created:
			result.Imported++
		default:
			result.Kept++
		}
	}
	return result, nil
}

// feedbackOf returns the feedback of an entry, or why there is none in it. Its key is feedback_, the ID of the user, a line
// and the milliseconds since 1970.
func feedbackOf(e entry, owners map[string]string) (f *feedback.Entry, reason string) {
	rest, hasPrefix := strings.CutPrefix(e.Key, "feedback_")
	line := strings.LastIndexByte(rest, '_')
	if !hasPrefix || line < 1 {
		return nil, "its key is not that of feedback"
	}
	value, user := readLegacyFeedback(e.Value), rest[:line]
	if value == nil {
		return nil, "its value is not the JSON of feedback"
	}
	if id := value.text("userId"); id != "" && id != user {
		return nil, "its key names another user than its own"
	}
	owner, known := owners[user]
	at, hasTime := value.createdAt(rest[line+1:])
	f = &feedback.Entry{
		ID: feedbackID(e.Key), UserID: user, Email: value.text("email"),
		Category: cmp.Or(feedback.Clean(value.text("category")), feedback.CategoryOther), Content: feedback.Clean(value.text("content")),
		CreatedAt: at, Status: feedback.Pending, Owner: owner,
	}
	if feedback.Status(value.text("status")) == feedback.Processed {
		f.Status = feedback.Processed
	}
	switch {
	case !known:
		return nil, "its user has no account here"
	case !hasTime:
		return nil, "it has no time"
	case f.Content == "":
		return nil, "it has no content"
	case utf8.RuneCountInString(f.Content) > feedback.MaxContent || utf8.RuneCountInString(f.Category) > feedback.MaxCategory:
		return nil, "it is too long"
	case len(f.Email) > account.MaxEmail:
		return nil, "its e-mail address is too long"
	}
	return f, ""
}

// legacyFeedback is feedback as programs of several years have stored it. A field that is missing, null or of another type
// does not cost anybody the feedback, as long as there is a text.
type legacyFeedback map[string]any

// readLegacyFeedback returns nil when a value is no JSON object.
func readLegacyFeedback(value []byte) legacyFeedback {
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber()
	var f legacyFeedback
	if d.Decode(&f) != nil {
		return nil
	}
	return f
}

// text returns a string, or a number as it is written; anything else is "".
func (f legacyFeedback) text(name string) string {
	switch value := f[name].(type) {
	case string:
		return value
	case json.Number:
		return value.String()
	}
	return ""
}

// createdAt returns when feedback was given, as it says itself or else its key.
func (f legacyFeedback) createdAt(key string) (job.Time, bool) {
	for _, text := range []string{f.text("created_at"), key} {
		at, err := time.Parse(time.RFC3339, text)
		if ms, msErr := strconv.ParseInt(text, 10, 64); msErr == nil {
			at, err = time.UnixMilli(ms), nil
		}
		// Subjects hold a day of eight digits, and times with a year of more digits cannot be read again.
		if year := at.UTC().Year(); err == nil && year >= 1970 && year <= 9999 {
			return job.At(at), true
		}
	}
	return job.Time{}, false
}

// feedbackID returns the ID of imported feedback: its key where that can be part of a subject, and else a hash of it.
func feedbackID(key string) string {
	if job.ValidToken(key) {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return "f-" + hex.EncodeToString(sum[:16])
}
