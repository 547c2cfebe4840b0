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

// The bounds of what people write, in characters.
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

// Status is what the operator has done about a piece of feedback.
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
	// Owner is whom it belongs to, a valid token.
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

	// Status lies beside the entry, and Owner, era, day and sequence are where it lies.
	Status   Status `json:"-"`
	Owner    string `json:"-"`
	era, day string
	sequence uint64
}

func (e *Entry) encode() ([]byte, error) {
	e.V = job.Version
	b, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encode feedback: %w", err)
	}
	return b, nil
}

// decodeEntry reads a stored entry. It fails with job.ErrNewer when a newer program wrote it.
func decodeEntry(b []byte) (*Entry, error) {
	var e Entry
	if err := json.Unmarshal(b, &e); err != nil {
		return nil, errors.New("decode feedback: not feedback")
	}
	switch {
	case e.V > job.Version:
		return nil, fmt.Errorf("decode feedback: %w", job.ErrNewer)
	case e.V < 1 || e.ID == "" || e.Content == "":
		return nil, errors.New("decode feedback: incomplete")
	}
	return &e, nil
}

// Clean returns what is kept of a text: no tags, which are taken out as the system before this one did, from each < up to
// the next >, no control characters but line breaks and tabs, and no blanks around it. What is left is a text all the
// same, and never markup. It takes time in proportion to the length of the text.
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

// CheckCategory returns what is wrong with a category as it was sent.
func CheckCategory(pointer, category string) []job.FieldError {
	return check(pointer, category, MaxCategory)
}

// CheckContent returns what is wrong with a text as it was sent: its length counts with its tags.
func CheckContent(pointer, content string) []job.FieldError {
	return check(pointer, content, MaxContent)
}

// isSeen reports whether a character shows: marks of direction and blanks without width do not.
func isSeen(r rune) bool { return unicode.IsGraphic(r) && !unicode.IsSpace(r) }

func check(pointer, text string, longest int) []job.FieldError {
	switch {
	case utf8.RuneCountInString(text) > longest:
		return []job.FieldError{{Pointer: pointer, Code: "too_long", Args: map[string]string{"max": strconv.Itoa(longest)}}}
	case !strings.ContainsFunc(Clean(text), isSeen):
		return []job.FieldError{{Pointer: pointer, Code: "required"}}
	}
	return nil
}
