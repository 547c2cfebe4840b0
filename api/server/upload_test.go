package server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/text2image-audio/text2image-audio/api/internal/hooks"
	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/api/server/internal/pipetest"
)

// TestUploadsAtEveryRate sends bodies over an in-memory connection whose deadlines follow the clock of a synctest bubble.
func TestUploadsAtEveryRate(t *testing.T) {
	t.Parallel()
	const second = time.Second
	for name, tc := range map[string]struct {
		size int
		// rate is in bytes a second; 0 sends nothing after the first byte.
		rate  int
		taken int
		code  string
		// least and most bound the time until the response.
		least, most time.Duration
	}{
		"no data sent":            {100 << 10, 0, 0, "upload_too_slow", 5 * second, 6 * second},
		"slow from the start":     {1 << 20, 8 << 10, 0, "upload_too_slow", 5 * second, 15 * second},
		"slow enough":             {1 << 20, 20 << 10, 0, "", 50 * second, 55 * second},
		"slow among few others":   {1 << 20, 20 << 10, server.MaxHeldUploads/2 - 1, "", 50 * second, 55 * second},
		"slow among many others":  {1 << 20, 20 << 10, server.MaxHeldUploads / 2, "upload_too_slow", 12 * second, 15 * second},
		"fast among many others":  {1 << 20, 80 << 10, server.MaxHeldUploads / 2, "", 12 * second, 15 * second},
		"slow and no slot needed": {server.UploadHead - 1, 20 << 10, server.MaxHeldUploads, "", 12 * second, 15 * second},
		"too large":               {12 << 20, 256 << 10, 0, "picture_too_large", 47 * second, 50 * second},
		"too large, and slow":     {5 << 20, 17 << 10, 0, "upload_too_slow", 299 * second, 301 * second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				type outcome struct {
					code string
					n    int
				}
				outcomes := make(chan outcome, 1)
				h := server.UploadReader(tc.taken, func(code string, n int) { outcomes <- outcome{code, n} })
				pipetest.Serve(t, h, func(conn net.Conn) {
					began := time.Now()
					ctx, stop := context.WithCancel(t.Context())
					defer stop()
					go func() { _, _ = io.Copy(io.Discard, conn) }()
					go func() {
						_, _ = fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", tc.size)
						trickle(ctx, conn, tc.size, tc.rate)
					}()
					got := <-outcomes
					if took := time.Since(began); got.code != tc.code || took < tc.least || took > tc.most {
						t.Errorf("%q after %v, want %q after %v to %v", got.code, took, tc.code, tc.least, tc.most)
					}
					if tc.code == "" && got.n != tc.size {
						t.Errorf("%d bytes read, want %d", got.n, tc.size)
					}
				})
			})
		})
	}
}

// trickle writes size bytes at a rate in bytes a second.
func trickle(ctx context.Context, conn net.Conn, size, rate int) {
	if rate == 0 {
		_, _ = conn.Write([]byte{'x'})
		return
	}
	const parts = 4 // a second
	for sent := 0; sent < size; {
		n, err := conn.Write(make([]byte, min(rate/parts, size-sent)))
		if err != nil {
			return
		}
		sent += n
		select {
		case <-time.After(time.Second / parts):
		case <-ctx.Done():
			return
		}
	}
}

// TestUploadWithoutSlot waits for a slot that is never released.
func TestUploadWithoutSlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		outcomes := make(chan string, 1)
		h := server.UploadReader(server.MaxHeldUploads, func(code string, _ int) { outcomes <- code })
		pipetest.Serve(t, h, func(conn net.Conn) {
			began := time.Now()
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			go func() { _, _ = io.Copy(io.Discard, conn) }()
			go func() {
				_, _ = fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", 1<<20)
				trickle(ctx, conn, 1<<20, 1<<20)
			}()
			// The error is not a Problem: the error table maps it to 503.
			if code := <-outcomes; code != "" || time.Since(began) < 10*time.Second {
				t.Errorf("%q after %v", code, time.Since(began))
			}
			_ = conn.Close()
		})
	})
}

// TestSlowUploadsDoNotBlockOthers saves an image while uploads of many other members are incomplete.
func TestSlowUploadsDoNotBlockOthers(t *testing.T) {
	t.Parallel()
	b := setup(t, func(cfg *server.Config, _ *server.Deps) { cfg.MaxSignups = 0 }, withLongUploadGrace)
	ann := b.newMember(t, annEmail)
	body := string(marshal(t, saveBody(largePNG(t))))
	const members = server.MaxHeldUploads/2 + 2
	for n := range members {
		who := b.signUp(t, fmt.Sprintf("slow%d@example.org", n))
		for range 2 {
			conn := b.sendHead(t, imagesRoute+"save", body, who)
			part := server.UploadHead / 2
			if n%2 == 0 {
				part = 2 * server.UploadHead // These need a slot.
			}
			_, err := io.WriteString(conn, body[:part])
			must(t, err)
		}
	}
	eventually(t, "the slow uploads are in progress", func() bool {
		total, owners := server.Uploads(b.server)
		return total == 2*members && owners == members
	})
	b.saveImage(t, jpegImage(t, 8), ann)
	b.saveImage(t, largePNG(t), ann)
}

// withLongUploadGrace disables the minimum rate of uploads, which a busy machine may miss.
func withLongUploadGrace(cfg *server.Config, _ *server.Deps) {
	cfg.SetHooks(func(h *hooks.Server) { h.UploadGrace = time.Hour })
}

// TestUploadsPerMemberAreLimited checks that the limit does not affect other members, and that finished uploads free slots.
func TestUploadsPerMemberAreLimited(t *testing.T) {
	t.Parallel()
	b := setup(t, withLongUploadGrace)
	session := b.signUp(t, annEmail)
	ann, bob := bearer(session.Token), b.newMember(t, "bob@example.org")
	body := string(marshal(t, saveBody(largePNG(t))))
	var first net.Conn
	for range 2 {
		first = b.sendHead(t, imagesRoute+"save", body, session)
		_, err := io.WriteString(first, body[:10])
		must(t, err)
	}
	eventually(t, "the uploads are in progress", func() bool { n, _ := server.Uploads(b.server); return n == 2 })
	f := b.post(t, imagesRoute+"save", saveBody(largePNG(t)), ann).accountError(t, http.StatusTooManyRequests, "too_many_uploads")
	if f.RetryAfter == 0 {
		t.Errorf("%+v", f)
	}
	// Small images and other members are not limited.
	b.saveImage(t, jpegImage(t, 8), ann)
	b.saveImage(t, largePNG(t), bob)
	must(t, first.SetDeadline(time.Now().Add(hang)))
	_, err := io.WriteString(first, body[10:])
	must(t, err)
	if resp := finalResponse(t, first); resp.StatusCode != http.StatusCreated {
		t.Errorf("status %d", resp.StatusCode)
	}
	b.saveImage(t, largePNG(t), ann)
}

// TestSlowUploadError reads the whole response.
func TestSlowUploadError(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ann := b.signUp(t, annEmail)
	conn := b.sendHead(t, imagesRoute+"save", string(bytes.Repeat([]byte{'x'}, 1<<20)), ann)
	_, err := io.WriteString(conn, "{")
	must(t, err)
	resp := finalResponse(t, conn)
	var f struct{ Code, Error string }
	resp.decode(t, &f)
	if resp.StatusCode != http.StatusRequestTimeout || f.Code != "upload_too_slow" || f.Error == "" || !resp.Close {
		t.Errorf("%d %+v, %v", resp.StatusCode, f, resp.Header)
	}
	if n, _ := server.Uploads(b.server); n != 0 {
		t.Errorf("%d uploads in progress", n)
	}
}

// TestStopEndsUploads stops the server during an upload.
func TestStopEndsUploads(t *testing.T) {
	t.Parallel()
	b := setup(t, withLongUploadGrace)
	ann := b.signUp(t, annEmail)
	conn := b.sendHead(t, imagesRoute+"save", string(bytes.Repeat([]byte{'x'}, 1<<20)), ann)
	_, err := io.WriteString(conn, "{")
	must(t, err)
	eventually(t, "the upload is in progress", func() bool { n, _ := server.Uploads(b.server); return n == 1 })
	b.stop(errors.New("the test ends"))
	resp := finalResponse(t, conn)
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("%d, %v", resp.StatusCode, resp.Header)
	}
}
