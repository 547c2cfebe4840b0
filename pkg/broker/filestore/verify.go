package filestore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"
)

// Block is a message block to verify.
type Block struct {
	stream string
	// path is relative to DATA_DIR.
	path   string
	number int
	size   int64
	// unsynced reports that the end of the block may be missing without a loss.
	unsynced bool
}

// checkedBytes is how much of the end of each stream is verified before a start after an orderly stop. The rest, which the server
// does not read then either, can wait until it runs.
const checkedBytes = 16 << 20

// later returns the blocks of a stream that can be verified after the start, and the others.
func later(stream []Block) (deferred, now []Block) {
	var bytes int64
	for i := len(stream) - 1; i >= 0; i-- {
		if bytes += stream[i].size; bytes > checkedBytes && i < len(stream)-1 {
			return stream[:i+1], stream[i+1:]
		}
	}
	return nil, stream
}

// verify verifies blocks, as many at a time as there are processors, and returns the damage and the number of bytes read.
func (s *Store) verify(list []Block) ([]Damage, int64, error) {
	damages := make([][]Damage, len(list))
	buffers := make(chan []byte, runtime.GOMAXPROCS(0))
	for range cap(buffers) {
		buffers <- nil
	}
	var group errgroup.Group
	group.SetLimit(cap(buffers))
	var read int64
	for i, block := range list {
		read += block.size
		group.Go(func() (err error) {
			buffer := <-buffers
			damages[i], buffer, err = s.verifyBlock(block, buffer)
			buffers <- buffer
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, read, err
	}
	var all []Damage
	for _, d := range damages {
		all = append(all, d...)
	}
	return all, read, nil
}

// verifyBlock returns the damage to a block, and the buffer, which may have been replaced by a larger one.
func (s *Store) verifyBlock(b Block, buffer []byte) (damages []Damage, reuse []byte, err error) {
	hasher, err := newRecordHasher(b.stream, b.number)
	if err != nil {
		return nil, buffer, err
	}
	data, err := readInto(filepath.Join(s.dir, b.path), buffer)
	if err != nil {
		return nil, buffer, fmt.Errorf("check stream %s: %w", b.stream, err)
	}
	check := checkBlock(hasher, data, b.unsynced)
	for _, bad := range check.bad {
		damages = append(damages, Damage{Stream: b.stream, Path: b.path, Reason: bad.String(), block: b.number, check: check})
	}
	return damages, data, nil
}

// readInto is os.ReadFile with a buffer that is used if it is large enough.
func readInto(path string, buffer []byte) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	size := int(info.Size())
	if cap(buffer) < size {
		buffer = make([]byte, size)
	}
	n, err := io.ReadFull(f, buffer[:size])
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil // It has just become shorter.
	}
	return buffer[:n], err
}

// restShare is how many times as long as it takes to verify a block Verify pauses after it, so that it takes little from the
// server.
const restShare = 9

// Verify verifies the blocks that Recover left for later, one at a time, and calls report for each damage. It runs while the
// server does, which may replace or remove a block, and returns when ctx ends, or report fails. It takes up to a tenth of a processor.
func (s *Store) Verify(ctx context.Context, list []Block, report func(Damage) error) error {
	var buffer []byte
	for _, b := range list {
		began := time.Now()
		damages, reuse, err := s.verifyBlock(b, buffer)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		buffer = reuse
		if len(damages) > 0 && s.isLast(b) {
			damages = nil // The numbers began anew, and the server writes to it.
		}
		for _, d := range damages {
			if err := report(d); err != nil {
				return err
			}
		}
		select {
		case <-time.After(restShare * time.Since(began)):
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// isLast reports whether no block of the stream follows.
func (s *Store) isLast(b Block) bool {
	numbers := blocks(filepath.Join(s.dir, filepath.Dir(b.path)))
	return len(numbers) == 0 || numbers[len(numbers)-1] <= b.number
}
