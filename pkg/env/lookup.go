package env

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"strings"
)

// fileSuffix is the suffix of variables with the path of a file that contains the value.
const fileSuffix = "_FILE"

// maxFileBytes is the maximum size of such a file; a larger one is a mistake.
const maxFileBytes = 64 << 10

// lookup returns the value of a setting and the variable that sets it. An alias
// takes precedence over the name. If none is set, it returns the name and "".
func (f field) lookup(vars map[string]string) (name, value string, err error) {
	for _, name := range append(f.aliases[:len(f.aliases):len(f.aliases)], f.name) {
		value, path := vars[name], strings.TrimSpace(vars[name+fileSuffix])
		if f.normal(value) == "" {
			value = ""
		}
		switch {
		case value != "" && path != "":
			return "", "", &Fault{Name: name, Expected: "either " + name + " or " + name + fileSuffix + ", not both"}
		case value != "":
			return name, value, nil
		case path != "":
			value, err := readValue(path)
			if err != nil {
				return "", "", &Fault{Name: name + fileSuffix, Expected: err.Error()}
			}
			return name + fileSuffix, value, nil
		}
	}
	return f.name, "", nil
}

// Referrer is a setting whose value names other variables, such as those of keys.
type Referrer interface {
	// Read reads the value. The lookup returns the value of a variable NAME, or of the
	// file that NAME_FILE names; it is empty if neither is set. The error should contain
	// neither value.
	Read(value string, lookup func(name string) (string, error)) error
}

// lookupIn returns the lookup of a Referrer. It returns values as they are, because
// they may be secrets.
func lookupIn(vars map[string]string) func(name string) (string, error) {
	return func(name string) (string, error) {
		f := field{name: name, value: reflect.ValueOf(Secret(""))}
		_, value, err := f.lookup(vars)
		return value, err
	}
}

// readValue reads a value from a file. Its error completes "expected …" and does not
// contain the path, because a secret may have been set instead of a path.
func readValue(path string) (string, error) {
	file, err := os.Open(path) //nolint:gosec // The path is the operator's own setting.
	if err != nil {
		return "", fmt.Errorf("a readable file: %w", cause(err))
	}
	defer func() { _ = file.Close() }()
	content, err := io.ReadAll(io.LimitReader(file, maxFileBytes+1))
	if err != nil {
		return "", fmt.Errorf("a readable file: %w", cause(err))
	}
	if len(content) > maxFileBytes {
		return "", fmt.Errorf("a file of at most %d bytes", maxFileBytes)
	}
	value := strings.TrimRight(string(content), "\r\n")
	if strings.TrimSpace(value) == "" {
		return "", errors.New("a file that is not empty")
	}
	return value, nil
}

// cause strips the path from an error of package os.
func cause(err error) error {
	var withPath *fs.PathError
	if errors.As(err, &withPath) {
		return withPath.Err
	}
	return err
}
