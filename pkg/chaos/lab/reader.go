//go:build unix

package lab

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/chaos/model"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

// read reads a job once and returns it, or nil if there was no response.
func (c *client) read(ctx context.Context, rng *rand.Rand, id string, query string, wait time.Duration) *model.View {
	requested := time.Now()
	status, data, err := c.call(ctx, rng, wait, http.MethodGet, "/api/jobs/"+id+query, nil)
	switch {
	case err != nil:
	case status == http.StatusOK:
		return c.observe(requested, data)
	case status == http.StatusNotFound:
		c.model.NotFound(requested, id, "404 on read")
	case status < 500:
		c.model.Violation("read of %s returned %d: %.300s", id, status, data)
	}
	return nil
}

// await waits for the end of a job. It returns nil if ctx ends first.
func (c *client) await(ctx context.Context, rng *rand.Rand, id string, how follow) *model.View {
	for ctx.Err() == nil {
		var v *model.View
		switch how {
		case followPoll:
			v = c.read(ctx, rng, id, "", 0)
		case followWait:
			v = c.read(ctx, rng, id, "?wait=5", 5*time.Second)
		case followStream:
			v = c.stream(ctx, rng, "/api/jobs/"+id+"/events", id)
		}
		if v != nil && v.Ended() {
			return v
		}
		lifecycle.Sleep(ctx, retryDelay)
	}
	return nil
}

// streamIdle is how long a stream may send nothing, not even a comment.
const streamIdle = 40 * time.Second

// stream reads events until the stream ends, and returns the job of the last one.
func (c *client) stream(ctx context.Context, rng *rand.Rand, path, id string) *model.View {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	idle := time.AfterFunc(streamIdle, cancel)
	defer idle.Stop()
	requested := time.Now()
	res, err := c.send(ctx, rng, http.MethodGet, path, nil)
	if err != nil {
		return nil
	}
	defer func() { _ = res.Body.Close() }()
	switch {
	case res.StatusCode == http.StatusNotFound && id != "":
		c.model.NotFound(requested, id, "404 on stream")
		return nil
	case res.StatusCode != http.StatusOK:
		return nil
	}
	var last *model.View
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		idle.Reset(streamIdle)
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		v := c.observe(time.Time{}, []byte(data))
		if v == nil {
			return last
		}
		if id != "" && last != nil && last.Ended() {
			c.model.Violation("event after the end of %s: %s after %s", id, v.Status, last.Status)
		}
		last = v
	}
	return last
}

// list reads all pages of the owner's jobs and records them.
func (c *client) list(ctx context.Context, rng *rand.Rand) {
	requested := time.Now()
	var ids []string
	for cursor := ""; ; {
		page := time.Now()
		status, data, err := c.call(ctx, rng, 0, http.MethodGet, "/api/jobs?limit=50"+cursor, nil)
		if err != nil || status != http.StatusOK {
			return
		}
		var response struct {
			Jobs []json.RawMessage `json:"jobs"`
			Next string            `json:"next_cursor"`
		}
		if err := json.Unmarshal(data, &response); err != nil {
			c.model.Violation("parse list: %v", err)
			return
		}
		for _, j := range response.Jobs {
			if v := c.observe(page, j); v != nil {
				ids = append(ids, v.ID)
			}
		}
		if response.Next == "" {
			break
		}
		cursor = "&cursor=" + response.Next
	}
	c.model.Listed(requested, c.owner, ids)
}

// cancel cancels a job, retrying until there is a response.
func (c *client) cancel(ctx context.Context, rng *rand.Rand, id string) {
	for ctx.Err() == nil {
		requested := time.Now()
		status, data, err := c.call(ctx, rng, 0, http.MethodPost, "/api/jobs/"+id+"/cancel", nil)
		switch {
		case err != nil || status >= 500 || status == http.StatusTooManyRequests:
			lifecycle.Sleep(ctx, retryDelay)
			continue
		case status == http.StatusOK:
			c.model.Canceled(requested, id)
			if v := c.observe(requested, data); v != nil && v.Status != model.Canceled {
				c.model.Violation("%s was canceled but is %s", id, v.Status)
			}
		case status == http.StatusNotFound:
			c.model.NotFound(requested, id, "404 on cancel")
		case status != http.StatusConflict:
			c.model.Violation("cancel of %s returned %d: %.300s", id, status, data)
		}
		return
	}
}

// remove deletes a finished job, retrying until there is a response.
func (c *client) remove(ctx context.Context, rng *rand.Rand, id string) {
	c.model.Deleting(id)
	for ctx.Err() == nil {
		status, data, err := c.call(ctx, rng, 0, http.MethodDelete, "/api/jobs/"+id, nil)
		switch {
		case err != nil || status >= 500 || status == http.StatusConflict || status == http.StatusTooManyRequests:
			// A conflict means that the job is not settled yet.
			lifecycle.Sleep(ctx, retryDelay)
			continue
		case status == http.StatusNoContent, status == http.StatusNotFound:
			c.model.Deleted(id)
		default:
			c.model.Violation("deletion of %s returned %d: %.300s", id, status, data)
		}
		return
	}
}

// download reads the media of a job and compares their sizes and hashes with the job. It reports whether all could be read.
func (c *client) download(ctx context.Context, rng *rand.Rand, v *model.View) bool {
	if v.Result == nil {
		return true
	}
	for _, m := range v.Result.Media {
		status, data, err := c.call(ctx, rng, 0, http.MethodGet, m.URL, nil)
		if err != nil || status != http.StatusOK {
			return false
		}
		sum := sha256.Sum256(data)
		if (hex.EncodeToString(sum[:]) != m.SHA256 || int64(len(data)) != m.Bytes) && c.model.Current(v) {
			c.model.Violation("media %s differs from its job: %d bytes, want %d", m.URL, len(data), m.Bytes)
		}
	}
	return true
}
