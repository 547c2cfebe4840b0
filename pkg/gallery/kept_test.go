package gallery_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/gallery"
)

// TestKeptStore reads an image that an earlier release saved, with the clock at that day, which api.TestKeptStore cannot set.
func TestKeptStore(t *testing.T) {
	t.Parallel()
	dir, description := brokertest.KeptStore(t)
	var want struct{ Image, Bytes string }
	if err := json.Unmarshal(description, &want); err != nil {
		t.Fatal(err)
	}
	b := brokertest.Start(t, func(c *broker.Config) { c.DataDir = dir })
	index, err := broker.LeaderLast(t.Context(), b.JetStream(), broker.ImagesStream, "$KV."+broker.BucketImages+".*.*")
	if err != nil {
		t.Fatal(err)
	}
	owner := strings.Split(index.Subject, ".")[2]
	g, err := gallery.New(t.Context(), b, gallery.WithClock(func() time.Time { return index.Time.Add(time.Hour) }))
	if err != nil {
		t.Fatal(err)
	}
	image, data, err := g.Open(t.Context(), owner, want.Image)
	if err != nil {
		t.Fatal(err)
	}
	if hash := sha256.Sum256(data); hex.EncodeToString(hash[:]) != want.Bytes || !strings.Contains(image.Prompt, "lighthouse") {
		t.Errorf("the image is %+v with the SHA-256 %x, want %s", image, hash, want.Bytes)
	}
}
