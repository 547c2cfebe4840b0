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
)

// Part is a store of things that belong to owners.
type Part struct {
	// Name is what the log calls it.
	Name string
	// Erase removes everything of an owner. It must be repeatable.
	Erase func(ctx context.Context, owner string) error
}

// Config says how often to look. The zero value is that of every real installation.
type Config struct {
	// Interval is how often the sweeper looks for deletions; two seconds when 0.
	Interval time.Duration
	// Grace is for how long a deletion is looked at again; as long as a worker may be busy with a job when 0.
	Grace time.Duration
}

const (
	defaultInterval = 2 * time.Second
	// defaultGrace adds to what workers may need what requests do.
	defaultGrace = jobs.StrayAge + time.Minute
)

// Step names a step of a deletion, for tests that stop the program behind it.
type Step string

// The steps of a deletion, in their order.
const (
	StepBegin   Step = "begin"
	StepAccount Step = "account"
	StepErase   Step = "erase"
	StepMarks   Step = "marks"
)

// Eraser deletes accounts.
type Eraser struct {
	cfg      Config
	accounts *account.Accounts
	jobs     *jobs.Service
	parts    []Part
	log      *slog.Logger
	// after is for tests: it is called behind each step, and its error ends what is under way as a crash would.
	after func(Step) error

	stop context.CancelFunc
	done sync.WaitGroup
	// swept is when this process last looked at a deletion, by its owner. Of the sweeper's goroutine.
	swept map[string]time.Time
	// troubled says that the last look failed. Of the sweeper's goroutine.
	troubled bool
}

// New returns an eraser of accounts and of all parts in their order: those to which a part adds while it is erased come
// behind it. jobs must be among the parts.
func New(accounts *account.Accounts, jobs *jobs.Service, parts []Part, cfg Config, log *slog.Logger) *Eraser {
	if cfg.Interval == 0 {
		cfg.Interval = defaultInterval
	}
	if cfg.Grace == 0 {
		cfg.Grace = defaultGrace
	}
	return &Eraser{cfg: cfg, accounts: accounts, jobs: jobs, parts: parts, log: log, swept: make(map[string]time.Time)}
}

// ErrUnfinished is returned when an account is deleted and what belongs to it is not yet. The sweeper goes on with it.
var ErrUnfinished = errors.New("the account is deleted, what belongs to it is still being removed")

// Delete deletes an account and everything that belongs to it. The account goes first: from then on no token is good, and
// requests that are under way find it gone and remove what they have stored. It fails with ErrUnfinished when only the
// account could be deleted within ctx. After any other error nothing may have happened; once the deletion is stored, it is
// finished by a sweeper all the same.
func (e *Eraser) Delete(ctx context.Context, u *account.User) error {
	d, err := e.accounts.BeginDeletion(ctx, u)
	if err != nil {
		return err
	}
	if err := e.passed(StepBegin); err != nil {
		return err
	}
	if err := e.removeAccount(ctx, d); err != nil {
		return err
	}
	if err := e.persist(ctx, d.Owner); err != nil {
		return fmt.Errorf("%w: %w", ErrUnfinished, err)
	}
	return e.passed(StepErase)
}

const (
	// eraseTimeout bounds one try to erase everything of an owner: an answer of NATS that was lost must not use up all the
	// time there is.
	eraseTimeout = 15 * time.Second
	// erasePause lies between two tries.
	erasePause = 500 * time.Millisecond
)

// persist erases everything of an owner, again and again until that succeeds or ctx ends.
func (e *Eraser) persist(ctx context.Context, owner string) error {
	for {
		bound, cancel := context.WithTimeout(ctx, eraseTimeout)
		err := e.Erase(bound, owner)
		cancel()
		if err == nil {
			return nil
		}
		timer := time.NewTimer(erasePause)
		select {
		case <-timer.C:
			e.log.WarnContext(ctx, "erasure of a deleted account failed and will be retried", slog.Any("error", err))
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

func (e *Eraser) removeAccount(ctx context.Context, d *account.Deletion) error {
	if err := e.accounts.RemoveAccount(ctx, d); err != nil {
		return err
	}
	return e.passed(StepAccount)
}

// Erase removes everything of an owner but the account. It goes on with the other parts when one fails, and may be repeated.
func (e *Eraser) Erase(ctx context.Context, owner string) error {
	var errs []error
	for _, part := range e.parts {
		if err := part.Erase(ctx, owner); err != nil {
			errs = append(errs, fmt.Errorf("erase %s: %w", part.Name, err))
		}
	}
	return errors.Join(errs...)
}

// Pending reports whether the account of an owner is being deleted or was a short while ago. It costs one request.
func (e *Eraser) Pending(ctx context.Context, owner string) (bool, error) {
	return e.accounts.DeletionPending(ctx, owner)
}

func (e *Eraser) passed(step Step) error {
	if e.after == nil {
		return nil
	}
	return e.after(step)
}
