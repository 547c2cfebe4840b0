package job_test

import (
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

func TestKindsAndLanes(t *testing.T) {
	t.Parallel()
	for _, k := range job.Kinds() {
		if !k.Valid() || !job.ValidToken(string(k)) {
			t.Errorf("kind %q cannot be used", k)
		}
	}
	for _, l := range job.Lanes() {
		if !l.Valid() || !job.ValidToken(string(l)) {
			t.Errorf("lane %q cannot be used", l)
		}
	}
	if job.Kind("video").Valid() || job.Kind("").Valid() || job.Lane("").Valid() || job.Lane("Member").Valid() {
		t.Error("an unknown kind or lane is valid")
	}
	if job.Lanes()[0] != job.LaneMember {
		t.Error("members do not come first")
	}
}

func TestValidToken(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]bool{
		"guest": true, "g-Ab_9": true, "0195600a-1111-7222-8333-444455556666": true,
		strings.Repeat("a", 64): true, strings.Repeat("a", 65): false,
		"": false, "a.b": false, "*": false, ">": false, "a b": false, "a/b": false, "..": false, "%2e": false,
		"ä": false, "a\x00": false, "a\n": false, "$KV": false, "a@b": false,
	} {
		if got := job.ValidToken(s); got != want {
			t.Errorf("ValidToken(%q) = %t", s, got)
		}
	}
}

func FuzzValidToken(f *testing.F) {
	for _, s := range []string{"", "a", "a.b", "*", ">", "\x00", "g-Ab_9", strings.Repeat("x", 65), "é"} {
		f.Add(s)
	}
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	f.Fuzz(func(t *testing.T, s string) {
		want := len(s) > 0 && len(s) <= 64 && strings.Trim(s, allowed) == ""
		for i := range len(s) {
			want = want && strings.IndexByte(allowed, s[i]) >= 0
		}
		if got := job.ValidToken(s); got != want {
			t.Errorf("ValidToken(%q) = %t", s, got)
		}
	})
}
