package env_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/env"
)

func TestLoadFromFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mounted := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	plain := mounted("plain", "planted\n")
	number := mounted("number", "12\n")
	tests := map[string]struct {
		environ []string
		key     string
		fault   string
	}{
		"value":                {environ: []string{"KEY_FILE=" + plain}, key: "planted"},
		"no line break":        {environ: []string{"KEY_FILE=" + mounted("bare", "planted")}, key: "planted"},
		"line break of DOS":    {environ: []string{"KEY_FILE=" + mounted("dos", "planted\r\n")}, key: "planted"},
		"blanks belong to it":  {environ: []string{"KEY_FILE=" + mounted("blanks", " a\nb \n")}, key: " a\nb "},
		"name empty":           {environ: []string{"KEY=", "KEY_FILE=" + plain}, key: "planted"},
		"file empty":           {environ: []string{"KEY=planted", "KEY_FILE="}, key: "planted"},
		"alias":                {environ: []string{"KEY=other", "TOKEN_FILE=" + plain}, key: "planted"},
		"both":                 {environ: []string{"KEY=planted", "KEY_FILE=" + plain}, fault: "KEY: expected either KEY or KEY_FILE, not both"},
		"both of the alias":    {environ: []string{"TOKEN=planted", "TOKEN_FILE=" + plain}, fault: "TOKEN: expected either TOKEN or TOKEN_FILE, not both"},
		"missing file":         {environ: []string{"KEY_FILE=" + dir + "/planted"}, fault: "KEY_FILE: expected a readable file: no such file or directory"},
		"folder":               {environ: []string{"KEY_FILE=" + dir}, fault: "KEY_FILE: expected a readable file: is a directory"},
		"empty file":           {environ: []string{"KEY_FILE=" + mounted("empty", "\n")}, fault: "KEY_FILE: expected a file that is not empty"},
		"huge file":            {environ: []string{"KEY_FILE=" + mounted("huge", strings.Repeat("k", 65537))}, fault: "KEY_FILE: expected a file of at most 65536 bytes"},
		"number":               {environ: []string{"KEY=k", "WHOLE_FILE=" + number}, key: "k"},
		"not a number, a file": {environ: []string{"WHOLE_FILE=" + plain}, fault: "WHOLE_FILE: expected a whole number of at most 2147483647"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := struct {
				Key   env.Secret `env:"KEY" alias:"TOKEN"`
				Whole int        `env:"WHOLE" envDefault:"12"`
			}{}
			err := env.Load(test.environ, &got)
			if test.fault != "" {
				if err == nil || err.Error() != test.fault {
					t.Fatalf("got %v, want %s", err, test.fault)
				}
				return
			}
			if err != nil {
				t.Fatalf("Load: %v", err)
			}
			if got.Key.Reveal() != test.key || got.Whole != 12 {
				t.Errorf("got %q, %d", got.Key.Reveal(), got.Whole)
			}
		})
	}
}
