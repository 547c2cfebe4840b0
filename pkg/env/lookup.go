package env

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// fileSuffix marks the variable that names a file holding the value.
const fileSuffix = "_FILE"

// maxFileBytes bounds what is read from such a file; a larger one is a mistake.
const maxFileBytes = 64 << 10

// lookup finds the value of a setting and the variable it came from. An alias
// wins over the name; nothing set yields the name and an empty value.
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

// readValue reads a mounted value. Its error completes "expected …" and does not
// repeat the path: a secret set in place of a path would be shown.
func readValue(path string) (string, error) {
	file, err := os.Open(path) //nolint:gosec // The operator names the file; that is the purpose.
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
