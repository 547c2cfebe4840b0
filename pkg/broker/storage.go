package broker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

var (
	// ErrDiskFull is returned while the embedded NATS stores nothing because its disk is full. It recovers by itself once
	// there is room.
	ErrDiskFull = errors.New("the disk of the embedded NATS is full")
	// ErrDiskFailed is returned while the embedded NATS stores nothing because of another disk error. It recovers by
	// itself once the disk accepts writes.
	ErrDiskFailed = errors.New("the disk of the embedded NATS accepts no writes")
)

const (
	// probeBytes is how much the disk must be able to store before the server is restarted.
	probeBytes = 4 << 20
	// probePause and probePauseMax bound the pause between two probes of a failing disk.
	probePause    = time.Second
	probePauseMax = 5 * time.Second
	// restartEvery is the shortest time between two restarts of the server.
	restartEvery = 10 * time.Second
	// reconnectTimeout bounds the wait for this process's connection after a restart.
	reconnectTimeout = time.Minute
)

// storage watches whether the embedded server can write. After the first write that fails, the server freezes the stream
// until it is restarted: publishes to it get no response, and nothing is deleted.
type storage struct {
	background
	fault atomic.Pointer[error]
	// failures counts the writes that failed.
	failures atomic.Uint64
}

// StorageFault returns why the embedded NATS cannot write, as an error that wraps ErrDiskFull or ErrDiskFailed, or nil.
// It makes no request.
func (b *Broker) StorageFault() error {
	if err := b.storage.fault.Load(); err != nil {
		return *err
	}
	return nil
}

// writeFailed records a failed write.
func (b *Broker) writeFailed(line string) {
	b.storage.failures.Add(1)
	if fault := classifyFault(errors.New(line)); b.storage.fault.CompareAndSwap(nil, &fault) {
		b.storage.wake()
	}
}

// classifyFault returns a disk error wrapped in ErrDiskFull or ErrDiskFailed. The server reports its errors as text.
func classifyFault(err error) error {
	for _, full := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT} {
		if errors.Is(err, full) || strings.Contains(err.Error(), full.Error()) {
			return fmt.Errorf("%w: %w", ErrDiskFull, err)
		}
	}
	return fmt.Errorf("%w: %w", ErrDiskFailed, err)
}

// watchStorage watches the disk until ctx ends.
func (b *Broker) watchStorage(ctx context.Context) {
	timer := time.NewTicker(b.cfg.hooks.ReconcileInterval)
	defer timer.Stop()
	var restarted time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.storage.wakeups:
		case <-timer.C:
		}
		if b.StorageFault() == nil {
			if err := streamWriteError(b.embedded.srv.Load()); err != nil {
				b.writeFailed(err.Error())
			}
		}
		if b.StorageFault() == nil {
			continue
		}
		b.log.ErrorContext(ctx, "NATS cannot write to its disk: nothing is accepted until it can", "error", b.StorageFault())
		if !lifecycle.Sleep(ctx, time.Until(restarted.Add(restartEvery))) || !b.recoverStorage(ctx) {
			return
		}
		restarted = time.Now()
		b.log.InfoContext(ctx, "NATS was restarted and writes to its disk again")
	}
}

// streamWriteError returns the error that prevents writes to a stream of the server, or nil.
func streamWriteError(srv *server.Server) error {
	if srv == nil {
		return nil
	}
	if !srv.JetStreamEnabled() {
		return errors.New("JetStream is disabled after an error")
	}
	health := srv.Healthz(&server.HealthzOptions{Details: true})
	for _, e := range health.Errors {
		if strings.Contains(e.Error, "write error") {
			return errors.New(e.Error)
		}
	}
	return nil
}

// recoverStorage waits until the disk accepts writes and then restarts the server. Only a restart makes a frozen
// stream writable; clients of the server reconnect. It returns false when ctx ends first.
func (b *Broker) recoverStorage(ctx context.Context) bool {
	reported := ""
	for pause := probePause; ; pause = min(2*pause, probePauseMax) {
		err := probeDisk(b.cfg.DataDir)
		if err == nil {
			err = b.restart(ctx)
		}
		if err == nil {
			b.storage.fault.Store(nil)
			// Streams in memory are lost.
			b.TriggerReconcile()
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		fault := classifyFault(err)
		b.storage.fault.Store(&fault)
		if text := err.Error(); text != reported {
			reported = text
			b.log.ErrorContext(ctx, "NATS cannot be restarted yet", "error", err)
		}
		if !lifecycle.Sleep(ctx, pause) {
			return false
		}
	}
}

// restart replaces the server and waits for the connection. It fails when the new server cannot write either.
func (b *Broker) restart(ctx context.Context) error {
	b.embedded.stopServer()
	// The client may still take itself for connected to the server that was stopped.
	reconnects := b.nc.Stats().Reconnects
	failures := b.storage.failures.Load()
	result, err := b.embedded.restartServer()
	if err != nil {
		return err
	}
	b.logRecovery(result)
	ctx, cancel := context.WithTimeout(ctx, reconnectTimeout)
	defer cancel()
	for !b.nc.IsConnected() || b.nc.Stats().Reconnects == reconnects {
		if !lifecycle.Sleep(ctx, retryPause) {
			return fmt.Errorf("reconnect to the embedded NATS: %w", context.Cause(ctx))
		}
	}
	if b.storage.failures.Load() != failures {
		return errors.New("the new server could not write either")
	}
	return b.recordRecovery(ctx, result)
}

// probeDisk fails unless the disk accepts a write of probeBytes.
func probeDisk(dir string) error {
	path := filepath.Join(dir, "probe.tmp")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600) //nolint:gosec // The path is in the operator's own DATA_DIR.
	if err != nil {
		return fmt.Errorf("try to write: %w", err)
	}
	_, err = f.Write(make([]byte, probeBytes))
	if err = errors.Join(err, f.Sync(), f.Close(), os.Remove(path)); err != nil {
		return fmt.Errorf("try to write: %w", err)
	}
	return nil
}
