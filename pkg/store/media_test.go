package store_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

const chunk = 512 << 10

// noise returns random bytes that depend on seed only.
func noise(seed uint64, n int) []byte {
	source := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	b := make([]byte, n)
	_, _ = source.Read(b)
	return b
}

func put(t testing.TB, s *store.Store, index int, data []byte) job.Media {
	t.Helper()
	m, err := s.PutMedia(t.Context(), "u1", "j1", job.Media{Index: index, ContentType: "image/png", Width: 3}, data)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func subjects(t *testing.T, b *broker.Broker, filter string) int {
	t.Helper()
	stream, err := b.JetStream().Stream(t.Context(), broker.ResultsStream)
	if err != nil {
		t.Fatal(err)
	}
	info, err := stream.Info(t.Context(), jetstream.WithSubjectFilter(filter))
	if err != nil {
		t.Fatal(err)
	}
	return len(info.State.Subjects)
}

func TestMediaOfEverySize(t *testing.T) {
	t.Parallel()
	s, _ := start(t)
	for i, size := range []int{0, 1, 100, chunk - 1, chunk, chunk + 1, 3*chunk + chunk/2, 5 << 20} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			t.Parallel()
			data := noise(uint64(i), size)
			sum := sha256.Sum256(data)
			m := put(t, s, i, data)
			want := job.Media{Index: i, ContentType: "image/png", Width: 3, Bytes: int64(size), SHA256: hex.EncodeToString(sum[:])}
			if m != want {
				t.Errorf("stored as %+v, want %+v", m, want)
			}
			if info, err := s.MediaInfo(t.Context(), "u1", "j1", i); err != nil || info != want {
				t.Errorf("info %+v, %v", info, err)
			}
			r, err := s.OpenMedia(t.Context(), "u1", "j1", m)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("read %d bytes, %v", len(got), err)
			}
		})
	}
	_, err := s.MediaInfo(t.Context(), "u1", "j1", 99)
	missing(t, "info of nothing", err)
	for _, size := range []int{1, chunk, chunk + 1} {
		m := put(t, s, 10+size, noise(1, size))
		_, err = s.OpenMedia(t.Context(), "u2", "j1", m)
		missing(t, "media of another owner", err)
	}
	if _, err := s.OpenMedia(t.Context(), "u1", "j1", job.Media{Bytes: 1, SHA256: "ab"}); err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("an incomplete description: %v", err)
	}
}

// TestOpenMediaRequests counts the requests of opening and reading media: media of one chunk do not need their manifest.
func TestOpenMediaRequests(t *testing.T) {
	t.Parallel()
	s, b := start(t)
	stream, err := b.JetStream().Stream(t.Context(), broker.ResultsStream)
	if err != nil {
		t.Fatal(err)
	}
	requests := brokertest.Subscribe(t, b.Conn(), "$JS.API.DIRECT.GET.>")
	for size, test := range map[int]struct {
		manifest     bool
		opened, read int
	}{
		0: {}, 1: {opened: 1, read: 1}, chunk: {opened: 1, read: 1}, chunk + 1: {manifest: true, opened: 1, read: 3}, 3 * chunk: {manifest: true, opened: 1, read: 4},
	} {
		data := noise(1, size)
		m := put(t, s, size, data)
		manifest := broker.ManifestSubject("u1", "j1", size)
		count := func() int {
			t.Helper()
			if err := b.Conn().Flush(); err != nil {
				t.Fatal(err)
			}
			pending, _, err := requests.Pending()
			if err != nil {
				t.Fatal(err)
			}
			return pending
		}
		before := count()
		r, err := s.OpenMedia(t.Context(), "u1", "j1", m)
		if err != nil {
			t.Fatal(err)
		}
		opened := count() - before
		got, err := io.ReadAll(r)
		if read := count() - before; err != nil || !bytes.Equal(got, data) || opened != test.opened || read != test.read {
			t.Errorf("%d bytes: %d requests to open, %d to read, %v", size, opened, read, err)
		}
		if err := stream.Purge(t.Context(), jetstream.WithPurgeSubject(manifest)); err != nil {
			t.Fatal(err)
		}
		switch _, err := s.OpenMedia(t.Context(), "u1", "j1", m); {
		case test.manifest:
			missing(t, "manifest", err)
		case err != nil:
			t.Errorf("%d bytes without a manifest: %v", size, err)
		}
	}
}

// TestMediaReadsLikeAFile compares the reader with bytes.Reader and the rules of io.Reader and io.Seeker.
func TestMediaReadsLikeAFile(t *testing.T) {
	t.Parallel()
	s, _ := start(t)
	data := noise(1, 2*chunk+chunk/2)
	m := put(t, s, 0, data)
	open := func() *io.SectionReader {
		r, err := s.OpenMedia(t.Context(), "u1", "j1", m)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if err := iotest.TestReader(open(), data); err != nil {
		t.Error(err)
	}

	r, file := open(), bytes.NewReader(data)
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		offset, whence := random.Int64N(int64(len(data))*2)-int64(len(data))/2, random.IntN(4)
		if random.IntN(4) == 0 {
			// The boundaries of chunks and of the file.
			offset = []int64{0, chunk - 1, chunk, chunk + 1, 2 * chunk, int64(len(data)) - 1, int64(len(data)), -1}[random.IntN(8)]
		}
		gotPlace, gotErr := r.Seek(offset, whence)
		wantPlace, wantErr := file.Seek(offset, whence)
		if gotPlace != wantPlace || (gotErr == nil) != (wantErr == nil) {
			t.Fatalf("seek %d from %d: %d, %v; want %d, %v", offset, whence, gotPlace, gotErr, wantPlace, wantErr)
		}
		size := random.IntN(2 * chunk)
		got, want := make([]byte, size), make([]byte, size)
		n, err := io.ReadFull(r, got)
		fileN, fileErr := io.ReadFull(file, want)
		if n != fileN || !errors.Is(err, fileErr) || !bytes.Equal(got, want) {
			t.Fatalf("read %d from %d: %d, %v; want %d, %v", size, wantPlace, n, err, fileN, fileErr)
		}
	}
}

func TestFirstMediaWins(t *testing.T) {
	t.Parallel()
	s, _ := start(t)
	first := put(t, s, 0, []byte("the first"))
	for _, data := range []string{"another one", "the first", ""} {
		if got := put(t, s, 0, []byte(data)); got != first {
			t.Errorf("%q became %+v", data, got)
		}
	}
	r, err := s.OpenMedia(t.Context(), "u1", "j1", first)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || string(got) != "the first" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestConcurrentMedia stores different bytes under the same index concurrently.
func TestConcurrentMedia(t *testing.T) {
	t.Parallel()
	s, _ := start(t)
	var wg sync.WaitGroup
	hashes := make(chan string, 10)
	for i := range cap(hashes) {
		wg.Go(func() {
			m, err := s.PutMedia(t.Context(), "u1", "j1", job.Media{}, noise(uint64(i), chunk+i))
			if err != nil {
				t.Errorf("%v", err)
			}
			hashes <- m.SHA256
		})
	}
	wg.Wait()
	close(hashes)
	stored, err := s.MediaInfo(t.Context(), "u1", "j1", 0)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.OpenMedia(t.Context(), "u1", "j1", stored)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	for hash := range hashes {
		if hash != hex.EncodeToString(sum[:]) {
			t.Errorf("a writer got hash %s, stored is %x", hash, sum)
		}
	}
}

func TestBrokenMedia(t *testing.T) {
	t.Parallel()
	s, b := start(t)
	m := put(t, s, 0, noise(1, chunk+10))
	subject := broker.ChunkSubject("u1", "j1", 0, m.SHA256[:16], 1)
	if _, err := b.JetStream().Publish(t.Context(), subject, []byte("short")); err != nil {
		t.Fatal(err)
	}
	r, err := s.OpenMedia(t.Context(), "u1", "j1", m)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, r); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("truncated chunk: %d bytes, %v", n, err)
	}
	stream, err := b.JetStream().Stream(t.Context(), broker.ResultsStream)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context(), jetstream.WithPurgeSubject(subject)); err != nil {
		t.Fatal(err)
	}
	if r, err = s.OpenMedia(t.Context(), "u1", "j1", m); err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, r); err == nil {
		t.Errorf("missing chunk: %d bytes and no error", n)
	}
	for name, body := range map[string]string{"1": "garbage", "2": `{"v":2}`, "3": `{"v":1,"sha256":"ab","chunk_bytes":0}`} {
		if _, err := b.JetStream().Publish(t.Context(), broker.RecordSubject("u1", "j1")+"."+name, []byte(body)); err != nil {
			t.Fatal(err)
		}
		index, _ := strconv.Atoi(name)
		if _, err := s.MediaInfo(t.Context(), "u1", "j1", index); err == nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("manifest %s: %v", body, err)
		}
		of := m
		of.Index = index
		if _, err := s.OpenMedia(t.Context(), "u1", "j1", of); err == nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("media with manifest %s: %v", body, err)
		}
	}
}

func TestDeleteRemovesEverything(t *testing.T) {
	t.Parallel()
	s, b := start(t)
	for i := range 3 {
		put(t, s, i, noise(uint64(i), 2*chunk))
	}
	create(t, s, succeeded("j1"))
	create(t, s, succeeded("j10"))
	if _, err := s.PutMedia(t.Context(), "u1", "j10", job.Media{}, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutProgress(t.Context(), "u1", &job.Progress{ID: "j1"}, 0); err != nil {
		t.Fatal(err)
	}
	if n := subjects(t, b, "$KV.RESULTS.u1.j1.>"); n != 3+6 {
		t.Fatalf("%d keys before the deletion", n)
	}
	for range 2 {
		if err := s.Delete(t.Context(), "u1", "j1", false); err != nil {
			t.Fatal(err)
		}
	}
	if n := subjects(t, b, "$KV.RESULTS.u1.j1.>") + subjects(t, b, "$KV.RESULTS.u1.j1"); n != 0 {
		t.Errorf("%d keys are left", n)
	}
	_, err := s.RecordLeader(t.Context(), "u1", "j1")
	missing(t, "record", err)
	_, _, err = s.ProgressLeader(t.Context(), "u1", "j1")
	missing(t, "progress", err)
	_, err = s.MediaInfo(t.Context(), "u1", "j1", 0)
	missing(t, "media", err)
	// A job whose id has the same prefix is another job.
	if n := subjects(t, b, "$KV.RESULTS.u1.j10.>") + subjects(t, b, "$KV.RESULTS.u1.j10"); n != 3 {
		t.Errorf("%d keys of the other job are left", n)
	}
}
