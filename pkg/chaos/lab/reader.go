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

	"github.com/text2image-audio/text2image-audio/pkg/chaos/claims"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

// read reads a job once and returns it, or nil when there was no answer.
func (c *client) read(ctx context.Context, d *rand.Rand, id string, query string, wait time.Duration) *claims.View {
	asked := time.Now()
	status, data, err := c.call(ctx, d, wait, http.MethodGet, "/api/jobs/"+id+query, nil)
	switch {
	case err != nil:
	case status == http.StatusOK:
		return c.see(asked, data)
	case status == http.StatusNotFound:
		c.book.Miss(asked, id, "404 to a reader")
	case status < 500:
		c.book.Fault("reading of %s refused with %d: %.300s", id, status, data)
	}
	return nil
}

// await follows a job to its end. It returns nil when ctx ends first.
func (c *client) await(ctx context.Context, d *rand.Rand, id string, how follow) *claims.View {
	for ctx.Err() == nil {
		var v *claims.View
		switch how {
		case followPoll:
			v = c.read(ctx, d, id, "", 0)
		case followWait:
			v = c.read(ctx, d, id, "?wait=5", 5*time.Second)
		case followStream:
			v = c.stream(ctx, d, "/api/jobs/"+id+"/events", id)
		}
		if v != nil && v.Ended() {
			return v
		}
		lifecycle.Sleep(ctx, again)
	}
	return nil
}

// streamIdle ends a stream that says nothing, not even a comment, for longer than it may.
const streamIdle = 40 * time.Second

// stream reads events until they end, and returns the last job that was told of.
func (c *client) stream(ctx context.Context, d *rand.Rand, path, id string) *claims.View {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	idle := time.AfterFunc(streamIdle, cancel)
	defer idle.Stop()
	asked := time.Now()
	res, err := c.ask(ctx, d, http.MethodGet, path, nil)
	if err != nil {
		return nil
	}
	defer func() { _ = res.Body.Close() }()
	switch {
	case res.StatusCode == http.StatusNotFound && id != "":
		c.book.Miss(asked, id, "404 to a stream")
		return nil
	case res.StatusCode != http.StatusOK:
		return nil
	}
	var last *claims.View
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		idle.Reset(streamIdle)
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		v := c.see(time.Time{}, []byte(data))
		if v == nil {
			return last
		}
		if id != "" && last != nil && last.Ended() {
			c.book.Fault("event after the end of %s: %s after %s", id, v.Status, last.Status)
		}
		last = v
	}
	return last
}

// list reads all pages of the owner's history and enters them.
func (c *client) list(ctx context.Context, d *rand.Rand) {
	asked := time.Now()
	var ids []string
	for cursor := ""; ; {
		page := time.Now()
		status, data, err := c.call(ctx, d, 0, http.MethodGet, "/api/jobs?limit=50"+cursor, nil)
		if err != nil || status != http.StatusOK {
			return
		}
		var answer struct {
			Jobs []json.RawMessage `json:"jobs"`
			Next string            `json:"next_cursor"`
		}
		if err := json.Unmarshal(data, &answer); err != nil {
			c.book.Fault("list cannot be read: %v", err)
			return
		}
		for _, j := range answer.Jobs {
			if v := c.see(page, j); v != nil {
				ids = append(ids, v.ID)
			}
		}
		if answer.Next == "" {
			break
		}
		cursor = "&cursor=" + answer.Next
	}
	c.book.Listed(asked, c.owner, ids)
}

// cancel cancels a job, until it is answered.
func (c *client) cancel(ctx context.Context, d *rand.Rand, id string) {
	for ctx.Err() == nil {
		asked := time.Now()
		status, data, err := c.call(ctx, d, 0, http.MethodPost, "/api/jobs/"+id+"/cancel", nil)
		switch {
		case err != nil || status >= 500 || status == http.StatusTooManyRequests:
			lifecycle.Sleep(ctx, again)
			continue
		case status == http.StatusOK:
			if v := c.see(asked, data); v != nil && v.Status != claims.Canceled {
				c.book.Fault("%s was canceled and is %s", id, v.Status)
			}
		case status == http.StatusNotFound:
			c.book.Miss(asked, id, "404 to a cancel")
		case status != http.StatusConflict:
			c.book.Fault("cancel of %s refused with %d: %.300s", id, status, data)
		}
		return
	}
}

// remove deletes a job that has ended, until it is answered, and sees that it is gone.
func (c *client) remove(ctx context.Context, d *rand.Rand, id string) {
	c.book.Deleting(id)
	for ctx.Err() == nil {
		status, data, err := c.call(ctx, d, 0, http.MethodDelete, "/api/jobs/"+id, nil)
		switch {
		case err != nil || status >= 500 || status == http.StatusConflict || status == http.StatusTooManyRequests:
			// A conflict is a job that is not settled yet.
			lifecycle.Sleep(ctx, again)
			continue
		case status == http.StatusNoContent, status == http.StatusNotFound:
			c.book.Deleted(id)
		default:
			c.book.Fault("deletion of %s refused with %d: %.300s", id, status, data)
		}
		return
	}
}

// download reads a job's media and holds them against what the job says of them. It reports whether all could be read.
func (c *client) download(ctx context.Context, d *rand.Rand, v *claims.View) bool {
	if v.Result == nil {
		return true
	}
	for _, m := range v.Result.Media {
		status, data, err := c.call(ctx, d, 0, http.MethodGet, m.URL, nil)
		if err != nil || status != http.StatusOK {
			return false
		}
		sum := sha256.Sum256(data)
		if hex.EncodeToString(sum[:]) != m.SHA256 || int64(len(data)) != m.Bytes {
			c.book.Fault("medium %s is not what its job says: %d bytes, want %d", m.URL, len(data), m.Bytes)
		}
	}
	return true
}
