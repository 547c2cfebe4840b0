package erasure

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

// Part is a store with data of owners.
type Part struct {
	// Name identifies the part in errors.
	Name string
	// Erase removes all data of an owner. It must be idempotent.
	Erase func(ctx context.Context, owner string) error
}

// Config holds the intervals of the sweeper. The zero value selects the defaults.
type Config struct {
	// Interval is the pause between sweeps; 0 means five seconds.
	Interval time.Duration
	// Grace is how long each erasure is repeated; 0 means for as long as a worker may work on a job.
	Grace time.Duration
}

const (
	defaultInterval = 5 * time.Second
	// defaultGrace is the maximum time of a worker, and a minute for requests.
	defaultGrace = jobs.WorkerDrain + time.Minute
)

// step is a step of a deletion after which a process may die.
type step string

// The steps of a deletion, in order.
const (
	stepBegin   step = "begin"
	stepAccount step = "account"
	stepErase   step = "erase"
	stepMarks   step = "marks"
)

// Eraser deletes accounts.
type Eraser struct {
	cfg      Config
	accounts *account.Accounts
	jobs     *jobs.Service
	parts    []Part
	log      *slog.Logger
	// after is a test hook: it is called after each step, and its error aborts the operation, as a crash would.
	after func(step) error

	stop context.CancelFunc
	done sync.WaitGroup
	// swept is when this process last erased the data of each owner. Only the sweeper uses it.
	swept map[string]time.Time
	// failing reports whether the last sweep failed. Only the sweeper uses it.
	failing bool
}

// New returns an eraser of accounts and all parts. It erases the parts in order: if the erasure of one part adds data to another,
// the other must come later. jobs must be among the parts.
func New(accounts *account.Accounts, jobs *jobs.Service, parts []Part, cfg Config, log *slog.Logger) *Eraser {
	if cfg.Interval == 0 {
		cfg.Interval = defaultInterval
	}
	if cfg.Grace == 0 {
		cfg.Grace = defaultGrace
	}
	return &Eraser{cfg: cfg, accounts: accounts, jobs: jobs, parts: parts, log: log, swept: make(map[string]time.Time)}
}

// ErrUnfinished is returned when an account is deleted but its data is not yet erased. The sweeper completes the erasure.
var ErrUnfinished = errors.New("the account is deleted, its data is still being removed")

// Delete deletes an account and all its data. It deletes the account first: from then on no token is valid, and concurrent
// requests find that it is gone and remove what they have stored. It returns ErrUnfinished when only the account could be deleted
// before ctx ended. After any other error the account may or may not be deleted; once the deletion is stored, a sweeper completes
// it.
func (e *Eraser) Delete(ctx context.Context, u *account.User) error {
	d, err := e.accounts.BeginDeletion(ctx, u)
	if err != nil {
		return err
	}
	if err := e.passed(stepBegin); err != nil {
		return err
	}
	if err := e.removeAccount(ctx, d); err != nil {
		return err
	}
	if err := e.eraseWithRetry(ctx, d.Owner); err != nil {
		return fmt.Errorf("%w: %w", ErrUnfinished, err)
	}
	return e.passed(stepErase)
}

const (
	// eraseTimeout bounds one attempt to erase the data of an owner: a lost response of NATS must not use up all the time.
	eraseTimeout = 15 * time.Second
	// erasePause is the delay between two attempts.
	erasePause = 500 * time.Millisecond
)

// eraseWithRetry erases all data of an owner and retries until it succeeds or ctx ends.
func (e *Eraser) eraseWithRetry(ctx context.Context, owner string) error {
	for {
		bound, cancel := context.WithTimeout(ctx, eraseTimeout)
		err := e.Erase(bound, owner)
		cancel()
		if err == nil {
			return nil
		}
		if !lifecycle.Sleep(ctx, erasePause) {
			return err
		}
		e.log.WarnContext(ctx, "erasure of a deleted account failed and will be retried", slog.Any("error", err))
	}
}

func (e *Eraser) removeAccount(ctx context.Context, d *account.Deletion) error {
	if err := e.accounts.RemoveAccount(ctx, d); err != nil {
		return err
	}
	return e.passed(stepAccount)
}

// Erase removes all data of an owner except the account, and that of the guests that it has adopted. If a part fails, it continues
// with the others. It is idempotent.
func (e *Eraser) Erase(ctx context.Context, owner string) error {
	guests, err := e.accounts.Adopted(ctx, owner)
	errs := []error{err}
	for _, owner := range append([]string{owner}, guests...) {
		for _, part := range e.parts {
			if err := part.Erase(ctx, owner); err != nil {
				errs = append(errs, fmt.Errorf("erase %s: %w", part.Name, err))
			}
		}
	}
	return errors.Join(errs...)
}

// Pending reports whether the account of an owner is being deleted or was deleted recently. It costs one request.
func (e *Eraser) Pending(ctx context.Context, owner string) (bool, error) {
	return e.accounts.DeletionPending(ctx, owner)
}

func (e *Eraser) passed(at step) error {
	if e.after == nil {
		return nil
	}
	return e.after(at)
}
