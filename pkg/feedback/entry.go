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

// The limits of what users write, in characters.
const (
	MaxContent  = 1000
	MaxCategory = 50
)

// The categories that the page offers. Others are accepted as well.
const (
	CategoryBug         = "bug"
	CategoryFeature     = "feature"
	CategoryImprovement = "improvement"
	CategoryOther       = "other"
)

// Status says whether the operator has processed a piece of feedback.
type Status string

// The statuses.
const (
	Pending   Status = "pending"
	Processed Status = "processed"
)

// Statuses returns every status.
func Statuses() []Status { return []Status{Pending, Processed} }

// Writer is who gives feedback.
type Writer struct {
	// Owner is to whom it belongs, a valid token.
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

	// Status is stored beside the entry; Owner, batch, day and sequence are where the entry is stored.
	Status     Status `json:"-"`
	Owner      string `json:"-"`
	batch, day string
	sequence   uint64
}

// decodeEntry decodes a stored entry. It fails with job.ErrNewer when a newer version of the program has stored it.
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

// Clean removes tags from a text, from each < up to the next >, control characters except line breaks and tabs, and white
// space around it. The result is plain text nevertheless, and must never be used as markup. It takes linear time.
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

// CheckCategory returns what is wrong with a category.
func CheckCategory(pointer, category string) []job.FieldError {
	return check(pointer, category, MaxCategory)
}

// CheckContent returns what is wrong with a text. Its length includes tags.
func CheckContent(pointer, content string) []job.FieldError {
	return check(pointer, content, MaxContent)
}

// isVisible reports whether a character is visible: direction marks and white space are not.
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
