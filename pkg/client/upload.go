package client

import (
	"context"
	"net/http"
	"time"
)

// Upload is an image that is stored for a day, for its owner only.
type Upload struct {
	ID string `json:"id"`
	// Reference is what Input.ReferenceImages takes.
	Reference   string    `json:"reference"`
	ContentType string    `json:"content_type"`
	Bytes       int64     `json:"bytes"`
	Width       int       `json:"width"`
	Height      int       `json:"height"`
	ExpiresAt   time.Time `json:"expires_at"`
}

// Upload uploads a PNG, JPEG or WebP of up to 10 MiB and returns it once the server has stored it. It fails with a *Problem if the
// server refuses it. With a key, uploading an image again returns the same upload.
func (c *Client) Upload(ctx context.Context, image []byte) (*Upload, error) {
	var u Upload
	if err := c.call(ctx, request{method: http.MethodPost, path: "/api/uploads", body: image}, &u); err != nil {
		return nil, err
	}
	return &u, nil
}
