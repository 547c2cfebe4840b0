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

// Feedback imports an export of the namespace FEEDBACK. owners is the result of Owners: feedback of users without an account is
// skipped, since it could not be deleted with the account. Feedback that was deleted here since the last import is restored. It
// returns an error, before anything is written, when the export is not a JSON array of entries, and when NATS has no room; the
// entries before stay imported. It costs two or three requests per entry.
func Feedback(ctx context.Context, to *feedback.Box, export io.Reader, owners map[string]string) (*Result, error) {
	result := &Result{}
	type found struct {
		position int
		*feedback.Entry
	}
	var entries []found
	err := forEach(export, func(e entry) error {
		// Lists of keys, which can be derived from the feedback, and expired rate limits.
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
	// The order of writing is the order of lists.
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

// feedbackOf returns the feedback of an entry, or why it is skipped. The key is feedback_<user>_<milliseconds since 1970>.
func feedbackOf(e entry, owners map[string]string) (f *feedback.Entry, reason string) {
	rest, hasPrefix := strings.CutPrefix(e.Key, "feedback_")
	separator := strings.LastIndexByte(rest, '_')
	if !hasPrefix || separator < 1 {
		return nil, "its key is not that of feedback"
	}
	user := rest[:separator]
	var value *legacyFeedback
	if json.NewDecoder(bytes.NewReader(e.Value)).Decode(&value) != nil || value == nil {
		return nil, "its value is not the JSON of feedback"
	}
	if id := string(value.UserID); id != "" && id != user {
		return nil, "its key and its value name different users"
	}
	owner, known := owners[user]
	at, hasTime := value.createdAt(rest[separator+1:])
	f = &feedback.Entry{
		ID: feedbackID(e.Key), UserID: user, Email: string(value.Email),
		Category: cmp.Or(feedback.Clean(string(value.Category)), feedback.CategoryOther), Content: feedback.Clean(string(value.Content)),
		CreatedAt: at, Status: feedback.Pending, Owner: owner,
	}
	if feedback.Status(value.Status) == feedback.Processed {
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
		return nil, "its email address is too long"
	}
	return f, ""
}

// legacyFeedback is feedback in any of the formats of the old system over the years. A field that is missing, null or of another
// type is ignored, as long as there is content.
type legacyFeedback struct {
	UserID    text `json:"userId"`
	Email     text `json:"email"`
	Category  text `json:"category"`
	Content   text `json:"content"`
	CreatedAt text `json:"created_at"`
	Status    text `json:"status"`
}

// createdAt returns the time in the field created_at or, if it has none, in the key.
func (f *legacyFeedback) createdAt(key string) (job.Time, bool) {
	for _, text := range []string{string(f.CreatedAt), key} {
		at, err := time.Parse(time.RFC3339, text)
		if ms, msErr := strconv.ParseInt(text, 10, 64); msErr == nil {
			at, err = time.UnixMilli(ms), nil
		}
		// Days in subjects have eight digits, and times with a five-digit year cannot be parsed.
		if year := at.UTC().Year(); err == nil && year >= 1970 && year <= 9999 {
			return job.At(at), true
		}
	}
	return job.Time{}, false
}

// feedbackID returns the ID of imported feedback: its key if it is a valid token, or else a hash of it.
func feedbackID(key string) string {
	if job.ValidToken(key) {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return "f-" + hex.EncodeToString(sum[:16])
}
