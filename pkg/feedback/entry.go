package feedback

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// The limits of user input, in characters.
const (
	MaxContent  = 1000
	MaxCategory = 50
)

// CategoryOther is the category of feedback that is none of bug, feature and improvement. Any text is accepted as a category.
const CategoryOther = "other"

// Status is the status of a piece of feedback.
type Status string

// The statuses.
const (
	Pending   Status = "pending"
	Processed Status = "processed"
)

// Statuses returns every status.
func Statuses() []Status { return []Status{Pending, Processed} }

// Writer is the member who gives feedback.
type Writer struct {
	// Owner is the owner name of the account, a valid token.
	Owner string
	// ID and Email are shown to the operator.
	ID, Email string
}

// Entry is a piece of feedback.
type Entry struct {
	V         int      `json:"v"`
	ID        string   `json:"id"`
	UserID    string   `json:"userId"`
	Email     string   `json:"email"`
	Category  string   `json:"category"`
	Content   string   `json:"content"`
	CreatedAt job.Time `json:"created_at"`

	// Status is stored as a mark. The fields below are parts of the subject and the sequence of the entry.
	Status     Status `json:"-"`
	Owner      string `json:"-"`
	batch, day string
	sequence   uint64
}

// decodeEntry decodes a stored entry. It returns job.ErrNewer when a newer version of the program has stored it.
func decodeEntry(b []byte) (*Entry, error) {
	var e Entry
	if err := json.Unmarshal(b, &e); err != nil {
		return nil, errors.New("decode feedback: malformed")
	}
	switch {
	case e.V > job.Version:
		return nil, fmt.Errorf("decode feedback: %w", job.ErrNewer)
	case e.V < 1 || e.ID == "" || e.Content == "":
		return nil, errors.New("decode feedback: incomplete")
	}
	return &e, nil
}

// Clean removes tags from a text (from each < to the next >), control characters except line breaks and tabs, and leading and
// trailing white space. The result is plain text and must not be used as markup. It takes linear time.
func Clean(text string) string {
	var b strings.Builder
	for {
		open := strings.IndexByte(text, '<')
		if open < 0 {
			break
		}
		length := strings.IndexByte(text[open:], '>')
		if length < 0 {
			break
		}
		b.WriteString(text[:open])
		text = text[open+length+1:]
	}
	b.WriteString(text)
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, b.String()))
}

// CheckCategory returns the errors of a category, or nil.
func CheckCategory(pointer, category string) []job.FieldError {
	return check(pointer, category, MaxCategory)
}

// CheckContent returns the errors of a text, or nil. Its length includes tags.
func CheckContent(pointer, content string) []job.FieldError {
	return check(pointer, content, MaxContent)
}

// isVisible reports whether a character is visible. Direction marks and white space are not.
func isVisible(r rune) bool { return unicode.IsGraphic(r) && !unicode.IsSpace(r) }

func check(pointer, text string, limit int) []job.FieldError {
	switch {
	case utf8.RuneCountInString(text) > limit:
		return []job.FieldError{{Pointer: pointer, Code: "too_long", Args: map[string]string{"max": strconv.Itoa(limit)}}}
	case !strings.ContainsFunc(Clean(text), isVisible):
		return []job.FieldError{{Pointer: pointer, Code: "required"}}
	}
	return nil
}
