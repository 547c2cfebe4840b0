//go:build linux

package measure

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/png"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	small = 1 << 10
	large = 150 << 10

	maxSide = 4096
)

// upstream answers the image requests of the current Pollinations gateway with an image of a constant size, at once or when it
// is released.
type upstream struct {
	url    string
	server *http.Server
	size   atomic.Int64

	mu     sync.Mutex
	gate   chan struct{} // nil while images are not held
	images map[[3]int][]byte
}

func startUpstream(ctx context.Context) (*upstream, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start upstream: %w", err)
	}
	u := &upstream{url: "http://" + listener.Addr().String(), images: make(map[[3]int][]byte)}
	u.size.Store(small)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /image/{prompt}", u.serveImage)
	u.server = &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { _ = u.server.Serve(listener) }()
	return u, nil
}

func (u *upstream) stop() {
	u.release()
	_ = u.server.Close()
}

// hold holds all images from now on.
func (u *upstream) hold() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.gate == nil {
		u.gate = make(chan struct{})
	}
}

// release answers all held requests, and later ones at once.
func (u *upstream) release() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.gate != nil {
		close(u.gate)
		u.gate = nil
	}
}

func (u *upstream) serveImage(w http.ResponseWriter, r *http.Request) {
	u.mu.Lock()
	gate := u.gate
	u.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-r.Context().Done():
			return
		}
	}
	data, err := u.image(side(r, "width"), side(r, "height"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "image/png")
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	_, _ = w.Write(data) //nolint:gosec // It is an image.
}

func side(r *http.Request, name string) int {
	n, err := strconv.Atoi(r.URL.Query().Get(name))
	if err != nil {
		return 64
	}
	return min(max(n, 1), maxSide)
}

// image returns an image of the current size; each is encoded once.
func (u *upstream) image(width, height int) ([]byte, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	key := [3]int{width, height, int(u.size.Load())}
	if data := u.images[key]; data != nil {
		return data, nil
	}
	data, err := pad(width, height, key[2])
	if err == nil {
		u.images[key] = data
	}
	return data, err
}

// pad encodes a PNG with a chunk of random bytes before its end, size bytes in all.
func pad(width, height, size int) ([]byte, error) {
	const (
		end      = 12 // bytes of IEND
		overhead = 12 // bytes of a chunk besides its data
	)
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, width, height))); err != nil {
		return nil, fmt.Errorf("encode image: %w", err)
	}
	plain := b.Bytes()
	n := size - len(plain) - overhead
	if n < 0 {
		return nil, fmt.Errorf("an image of %d×%d has more than %d bytes", width, height, size)
	}
	chunk := binary.BigEndian.AppendUint32(nil, uint32(n)) //nolint:gosec // It was checked to be positive.
	chunk = append(chunk, "raNd"...)
	random := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(random)
	chunk = append(chunk, random...)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk[4:]))
	return bytes.Join([][]byte{plain[:len(plain)-end], chunk, plain[len(plain)-end:]}, nil), nil
}
