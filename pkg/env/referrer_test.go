package env_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/env"
)

// named is a setting whose value is the name of another variable.
type named struct{ value string }

func (n *named) Read(name string, lookup func(string) (string, error)) (err error) {
	if name == "none" {
		return errors.New("nothing is named")
	}
	n.value, err = lookup(name)
	return err
}

func TestReferrer(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(" planted\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for environ, want := range map[string]string{
		"": "", "NAMED=OTHER": "", "NAMED=OTHER,OTHER=x": "x", "NAMED=OTHER,OTHER_FILE=" + file: " planted",
	} {
		var cfg struct {
			Named named `env:"NAMED"`
		}
		if err := env.Load(strings.Split(environ, ","), &cfg); err != nil || cfg.Named.value != want {
			t.Errorf("%s: %q, %v", environ, cfg.Named.value, err)
		}
	}
	for environ, want := range map[string]string{
		"NAMED=none": "NAMED: nothing is named", "NAMED=OTHER,OTHER_FILE=/nowhere/planted": "NAMED: OTHER_FILE: expected a readable file: no such file or directory",
	} {
		var cfg struct {
			Named named `env:"NAMED"`
		}
		if err := env.Load(strings.Split(environ, ","), &cfg); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", environ, err, want)
		}
	}
}
