package app_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // The simulator returns JPEG.
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/hajimehoshi/go-mp3"

	"github.com/text2image-audio/text2image-audio/api/app"
	"github.com/text2image-audio/text2image-audio/api/app/apptest"
	"github.com/text2image-audio/text2image-audio/api/internal/hooks"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
)

func TestJobsOfEveryKind(t *testing.T) {
	t.Parallel()
	i := start(t, apptest.Config(t, t.TempDir()))
	i.Visit(t)
	t.Run("image", func(t *testing.T) {
		v := i.Wait(t, i.Submit(t, fields{"kind": "image", "input": fields{"prompt": "a lighthouse at dawn", "width": 333, "height": 777, "seed": 7}}).ID)
		if v.Status != "succeeded" || len(v.Result.Media) != 1 {
			t.Fatalf("got %+v", v)
		}
		m := v.Result.Media[0]
		resp := i.Do(t, http.MethodGet, m.URL, nil)
		checkImage(t, resp.Data, 333, 777)
		if m.Width != 333 || m.Height != 777 || m.Bytes != len(resp.Data) || *m.Seed != 7 {
			t.Errorf("media %+v, got %d bytes", m, len(resp.Data))
		}
		if got := resp.Header.Get("Content-Type"); got != m.ContentType {
			t.Errorf("content type %q, want %q", got, m.ContentType)
		}
	})
	t.Run("set of images", func(t *testing.T) {
		v := i.Wait(t, i.Submit(t, fields{"kind": "image", "input": fields{"prompt": "four boats", "width": 64, "height": 64, "n": 4, "seed": 1}}).ID)
		if v.Status != "succeeded" || len(v.Result.Media) != 4 {
			t.Fatalf("got %+v", v)
		}
		for n, m := range v.Result.Media {
			if *m.Seed != int64(1+n) {
				t.Errorf("image %d has seed %d", n, *m.Seed)
			}
			checkImage(t, i.Do(t, http.MethodGet, m.URL, nil).Data, 64, 64)
		}
	})
	t.Run("optimized image", func(t *testing.T) {
		v := i.Wait(t, i.Submit(t, fields{"kind": "image", "input": fields{"prompt": "a cat", "width": 64, "height": 64, "optimize": true}}).ID)
		if v.Status != "succeeded" || v.Result.Prompt == nil || v.Result.Prompt.Original != "a cat" || len(v.Result.Prompt.Optimized) <= len("a cat") {
			t.Fatalf("got %+v", v.Result)
		}
	})
	t.Run("audio", func(t *testing.T) {
		v := i.Wait(t, i.Submit(t, fields{"kind": "audio", "input": fields{"text": "Good evening, and welcome.", "voice": "nova"}}).ID)
		if v.Status != "succeeded" || len(v.Result.Media) != 1 || v.Result.Media[0].ContentType != "audio/mpeg" {
			t.Fatalf("got %+v", v)
		}
		checkSpeech(t, i.Do(t, http.MethodGet, v.Result.Media[0].URL, nil).Data)
	})
	t.Run("prompt", func(t *testing.T) {
		v := i.Wait(t, i.Submit(t, fields{"kind": "prompt", "input": fields{"text": "a red bridge"}}).ID)
		if v.Status != "succeeded" || len(v.Result.Text) <= len("a red bridge") {
			t.Fatalf("got %+v", v)
		}
	})
	t.Run("translation", func(t *testing.T) {
		v := i.Wait(t, i.Submit(t, fields{"kind": "translation", "input": fields{"text": "一只猫在月光下"}}).ID)
		if v.Status != "succeeded" || v.Result.Text == "" {
			t.Fatalf("got %+v", v)
		}
	})
}

func TestOriginalRoutes(t *testing.T) {
	t.Parallel()
	i := start(t, apptest.Config(t, t.TempDir()))
	for _, path := range []string{"/api/generate", "/api/pollinations/image"} {
		resp := i.Do(t, http.MethodPost, path, fields{"text": "a pond", "prompt": "a pond", "type": "image", "width": 128, "height": 96, "extra": true})
		var got struct {
			Type, Data, Format string
			ContentType        string `json:"content_type"`
		}
		resp.Decode(t, &got)
		if resp.StatusCode != http.StatusOK || got.Type != "image" || got.Format != "base64" || got.ContentType != "image/jpeg" {
			t.Fatalf("%s: %d %.200s", path, resp.StatusCode, resp.Data)
		}
		data, err := base64.StdEncoding.DecodeString(got.Data)
		if err != nil {
			t.Fatal(err)
		}
		checkImage(t, data, 128, 96)
	}
	resp := i.Do(t, http.MethodPost, "/api/generate", fields{"text": "Hello there.", "type": "audio", "voice": "alloy"})
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "audio/mpeg" {
		t.Fatalf("audio: %d %s %.200s", resp.StatusCode, resp.Header.Get("Content-Type"), resp.Data)
	}
	checkSpeech(t, resp.Data)
	for _, path := range []string{"/api/prompts/optimize", "/api/optimize"} {
		var got map[string]string
		i.Do(t, http.MethodPost, path, fields{"text": "a pond"}).Decode(t, &got)
		if got["original_prompt"] != "a pond" || got["optimized_text"] == "" || got["raw_optimized"] == "" {
			t.Errorf("%s: %v", path, got)
		}
	}
	var translated struct {
		Text string `json:"translated_text"`
		Done bool   `json:"translated"`
	}
	i.Do(t, http.MethodPost, "/api/translate", fields{"text": "月光"}).Decode(t, &translated)
	if !translated.Done || translated.Text == "" {
		t.Errorf("translate: %+v", translated)
	}
}

func TestTwoHundredJobsAtOnce(t *testing.T) {
	t.Parallel()
	cfg := apptest.Config(t, t.TempDir(), "MAX_ACTIVE_JOBS_GUEST=0")
	// The test counts upstream calls, so on a busy machine no job may be redelivered early. A lost delivery still returns well
	// within hang.
	brokertest.AckWait(45 * time.Second)(&cfg.Broker)
	// No submission may time out there either.
	cfg.Server.SetHooks(func(h *hooks.Server) { h.SubmitTimeout = hang })
	i := start(t, cfg)
	i.Visit(t)
	const jobs = 200
	ids := make([]string, jobs)
	var wg sync.WaitGroup
	for n := range jobs {
		wg.Go(func() {
			ids[n] = i.Submit(t, fields{"kind": "image", "input": fields{"prompt": fmt.Sprintf("boat number %d", n), "width": 64, "height": 64, "seed": n}}).ID
		})
	}
	wg.Wait()
	for _, id := range ids {
		if v := i.Wait(t, id); v.Status != "succeeded" || v.Attempt != 1 {
			t.Errorf("job %s: %+v", id, v)
		}
	}
	if got := i.Simulator().Count("image", ""); got != jobs {
		t.Errorf("the upstream was called %d times for %d jobs", got, jobs)
	}
	seen := map[string]bool{}
	for cursor := ""; ; {
		var page struct {
			Jobs []apptest.Job `json:"jobs"`
			Next string        `json:"next_cursor"`
		}
		resp := i.Do(t, http.MethodGet, "/api/jobs?limit=37&cursor="+cursor, nil)
		if resp.StatusCode == http.StatusServiceUnavailable {
			continue // The list took too long and may be retried.
		}
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("list: status %d: %s", resp.StatusCode, resp.Data)
		}
		resp.Decode(t, &page)
		for _, v := range page.Jobs {
			if seen[v.ID] {
				t.Errorf("job %s is listed twice", v.ID)
			}
			seen[v.ID] = true
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if len(seen) != jobs {
		t.Errorf("the list has %d jobs of %d", len(seen), jobs)
	}
}

func TestRestartKeepsEveryJob(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := run(t, apptest.Config(t, dir))
	first.Visit(t)
	done := first.Wait(t, first.Submit(t, fields{"kind": "image", "input": fields{"prompt": "before", "width": 64, "height": 64}}).ID)
	data := first.Do(t, http.MethodGet, done.Result.Media[0].URL, nil).Data
	first.Close(t)

	// Without slots, the job is still queued when the process stops.
	second := run(t, apptest.Config(t, dir, "WORKER_SLOTS_TEXT=0"))
	second.Cookie = first.Cookie
	queued := second.Submit(t, fields{"kind": "prompt", "input": fields{"text": "in between"}})
	second.Close(t)

	third := start(t, apptest.Config(t, dir))
	third.Cookie = first.Cookie
	if v := third.Wait(t, queued.ID); v.Status != "succeeded" {
		t.Errorf("the queued job: %+v", v)
	}
	again := third.Wait(t, done.ID)
	if again.FinishedAt != done.FinishedAt {
		t.Errorf("the finished job ended again: %s, before %s", again.FinishedAt, done.FinishedAt)
	}
	if !bytes.Equal(data, third.Do(t, http.MethodGet, done.Result.Media[0].URL, nil).Data) {
		t.Error("the image has changed")
	}
}

func TestSecondProcessOnDataDir(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := start(t, apptest.Config(t, dir))
	second, err := app.New(apptest.Config(t, dir), discard())
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Start(t.Context()); !errors.Is(err, broker.ErrInUse) {
		t.Fatalf("got %v, want ErrInUse", err)
	}
	if err := second.Stop(context.Background()); err != nil {
		t.Errorf("stop after the failed start: %v", err)
	}
	if v := first.Wait(t, first.Submit(t, fields{"kind": "prompt", "input": fields{"text": "still here"}}).ID); v.Status != "succeeded" {
		t.Errorf("the first process: %+v", v)
	}
}

func checkImage(t testing.TB, data []byte, width, height int) {
	t.Helper()
	img, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatalf("decode image: %v", err)
	}
	if b := img.Bounds(); b.Dx() != width || b.Dy() != height {
		t.Errorf("image is %dx%d, want %dx%d", b.Dx(), b.Dy(), width, height)
	}
}

func checkSpeech(t testing.TB, data []byte) {
	t.Helper()
	decoder, err := mp3.NewDecoder(bytes.NewReader(data))
	if err != nil {
		t.Fatalf("decode speech: %v", err)
	}
	n, err := io.Copy(io.Discard, decoder)
	if err != nil {
		t.Fatalf("decode speech: %v", err)
	}
	const bytesPerFrame = 4 // The decoder returns two channels of 16 bits.
	if seconds := float64(n) / bytesPerFrame / float64(decoder.SampleRate()); seconds < 0.5 {
		t.Errorf("speech of %.2f seconds", seconds)
	}
}
