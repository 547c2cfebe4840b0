package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// Download writes an image or audio file to w. After a broken connection it goes on where that broke. It fails if the bytes are
// not those that the job names; w then has some of them.
func (c *Client) Download(ctx context.Context, m Media, w io.Writer) error {
	target, err := url.Parse(m.URL)
	if err != nil || target.Host != "" {
		return errors.New("the URL of the file is not one of the API")
	}
	hash := sha256.New()
	d := download{w: io.MultiWriter(w, hash)}
	err = c.retry(ctx, func() error {
		before := d.written
		if before > 0 && before == m.Bytes {
			return nil // The connection broke after the last byte. There is no range that begins there.
		}
		header := http.Header{}
		if before > 0 {
			header.Set("Range", fmt.Sprintf("bytes=%d-", before))
		}
		resp, err := c.send(ctx, request{method: http.MethodGet, path: target.Path, query: target.Query(), header: header})
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		// The bytes of a file never change, so that a response without the range has the same ones.
		if resp.StatusCode != http.StatusPartialContent {
			if _, err := io.CopyN(io.Discard, resp.Body, before); err != nil {
				return &brokenError{fmt.Errorf("read file: %w", err)}
			}
		}
		_, err = io.Copy(&d, resp.Body)
		switch {
		case d.failed != nil:
			return fmt.Errorf("write file: %w", d.failed)
		case err != nil:
			return &brokenError{fmt.Errorf("read file: %w", err)}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if sum := hex.EncodeToString(hash.Sum(nil)); m.SHA256 != "" && sum != m.SHA256 {
		return fmt.Errorf("the file has the SHA-256 %s, want %s", sum, m.SHA256)
	}
	return nil
}

// download counts what was written, and tells a failure to write from one to read.
type download struct {
	w       io.Writer
	written int64
	failed  error
}

func (d *download) Write(p []byte) (int, error) {
	n, err := d.w.Write(p)
	d.written += int64(n)
	d.failed = err
	return n, err
}
