package brokertest

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// keptStore is the file name, without suffix, of a store that an earlier release wrote. It was stopped cleanly with its
// clock in the year 2096, so that nothing in it expires. TestKeepStore in package api wrote it.
const keptStore = "store-838dbf1"

// KeptStore returns a new copy of a DATA_DIR that an earlier release wrote, and a JSON description of its contents.
func KeptStore(t testing.TB) (dir string, description []byte) {
	t.Helper()
	_, file, _, _ := runtime.Caller(0)
	path := filepath.Join(filepath.Dir(file), "..", "testdata", keptStore)
	description, err := os.ReadFile(path + ".json") //nolint:gosec // The path is a constant.
	if err != nil {
		t.Fatalf("read kept store: %v", err)
	}
	dir = t.TempDir()
	if err := unpack(path+".tar.gz", dir); err != nil {
		t.Fatalf("unpack kept store: %v", err)
	}
	return dir, description
}

func unpack(path, dir string) error {
	f, err := os.Open(path) //nolint:gosec // The path is a constant.
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		data, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if err := root.MkdirAll(filepath.Dir(h.Name), 0o700); err != nil {
			return err
		}
		if err := root.WriteFile(h.Name, data, 0o600); err != nil {
			return err
		}
	}
}
