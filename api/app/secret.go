package app

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	secretFile  = "jwt_secret"
	secretBytes = 32
)

// secret returns JWT_SECRET or, with the embedded NATS, the key stored in DATA_DIR, which is generated at the first start.
// The caller holds the lock of the directory.
func (c Config) secret() ([]byte, error) {
	if c.JWTSecret != "" {
		return []byte(c.JWTSecret.Reveal()), nil
	}
	path := filepath.Join(c.Broker.DataDir, secretFile)
	kept, err := os.ReadFile(path) //nolint:gosec // The path is the operator's own DATA_DIR.
	switch {
	case err == nil:
		if s := strings.TrimSpace(string(kept)); len(s) >= secretBytes {
			return []byte(s), nil
		}
		return nil, fmt.Errorf("the secret in %s is too short; remove the file to generate a new one", path)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("read secret: %w", err)
	}
	random := make([]byte, secretBytes)
	if _, err := rand.Read(random); err != nil {
		return nil, fmt.Errorf("generate secret: %w", err)
	}
	made := hex.EncodeToString(random)
	if err := writeAtomically(path, []byte(made+"\n")); err != nil {
		return nil, fmt.Errorf("store secret: %w", err)
	}
	return []byte(made), nil
}

// writeAtomically writes a file completely or not at all.
func writeAtomically(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
