package feedback_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/feedback"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestClean(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                               "",
		" plain \n":                      "plain",
		"<b>bold</b>":                    "bold",
		"a < b":                          "a < b",
		"a < b and c > d":                "a  d",
		"a > b":                          "a > b",
		"<script>alert(1)</script>":      "alert(1)",
		"<<b>script>":                    "script>",
		"<scr<b>ipt>":                    "ipt>",
		"<a\nhref=x>two\nlines</a>":      "two\nlines",
		"<>":                             "",
		"<img src=x onerror=alert(1)":    "<img src=x onerror=alert(1)",
		"好 <i>的</i>":                     "好 的",
		"a\x00b\x1b[31m\tc\r\nd\u0085":   "ab[31m\tc\nd",
		"&lt;b&gt; stays what it is":     "&lt;b&gt; stays what it is",
		strings.Repeat("<", 50) + ">end": "end",
	} {
		if got := feedback.Clean(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func FuzzClean(f *testing.F) {
	for _, seed := range []string{"<b>x</b>", "<<>>", "a<b", "\x00<\x00>", "<\u2028>", strings.Repeat("<", 100)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		clean := feedback.Clean(text)
		open := strings.IndexByte(clean, '<')
		switch {
		case open >= 0 && strings.IndexByte(clean[open:], '>') >= 0:
			t.Errorf("%q keeps a tag: %q", text, clean)
		case utf8.RuneCountInString(clean) > utf8.RuneCountInString(text):
			t.Errorf("%q becomes longer: %q", text, clean)
		case feedback.Clean(clean) != clean:
			t.Errorf("Clean is not idempotent: %q, %q", clean, feedback.Clean(clean))
		case strings.ContainsFunc(clean, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }):
			t.Errorf("%q keeps a control character", clean)
		}
	})
}

func TestChecks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, content, category string }{
		{"", "required", "required"},
		{" \n", "required", "required"},
		{"<br><hr>", "required", "required"},
		{"\u200b\u200f \u2066\ufeff", "required", "required"},
		{"\u200f؟", "", ""},
		{"bug", "", ""},
		{strings.Repeat("界", feedback.MaxCategory), "", ""},
		{strings.Repeat("界", feedback.MaxCategory+1), "", "too_long"},
		{strings.Repeat("😀", feedback.MaxContent), "", "too_long"},
		{strings.Repeat("😀", feedback.MaxContent+1), "too_long", "too_long"},
		// The length includes tags.
		{"<" + strings.Repeat("b", feedback.MaxContent) + ">x", "too_long", "too_long"},
	} {
		if got := codes(feedback.CheckContent("/content", c.text)); got != c.content {
			t.Errorf("content %.20q: %s, want %s", c.text, got, c.content)
		}
		if got := codes(feedback.CheckCategory("/category", c.text)); got != c.category {
			t.Errorf("category %.20q: %s, want %s", c.text, got, c.category)
		}
	}
}

func codes(faults []job.FieldError) string {
	var all []string
	for _, f := range faults {
		all = append(all, f.Code)
	}
	return strings.Join(all, " ")
}

// TestStoredFormat compares the stored messages with a golden file: they must stay readable.
func TestStoredFormat(t *testing.T) {
	t.Parallel()
	box, now, b := open(t)
	e := give(t, box, now, "o", "bug", "It <b>breaks</b>.")
	_, err := box.Mark(t.Context(), e.ID, feedback.Processed)
	must(t, err)
	stream, err := b.JetStream().Stream(t.Context(), broker.FeedbackStream)
	must(t, err)
	var got strings.Builder
	for seq := uint64(1); seq <= 3; seq++ {
		msg, err := stream.GetMsg(t.Context(), seq)
		must(t, err)
		got.WriteString(strings.ReplaceAll(msg.Subject+" "+string(msg.Data), e.ID, "<id>") + "\n")
		if ttl := msg.Header.Get(jetstream.MsgTTLHeader); (ttl != "") != strings.Contains(msg.Subject, "claim") {
			t.Errorf("the TTL of %s is %q", msg.Subject, ttl)
		}
	}
	path := filepath.Join("testdata", "stored.txt")
	if *update {
		must(t, os.MkdirAll("testdata", 0o750))
		must(t, os.WriteFile(path, []byte(got.String()), 0o600))
	}
	want, err := os.ReadFile(path)
	must(t, err)
	if got.String() != string(want) {
		t.Errorf("stored:\n%swant:\n%s", got.String(), want)
	}
}
