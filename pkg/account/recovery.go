package account

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// Deliver brings the link of a password reset to the person with an address, in a language.
type Deliver func(ctx context.Context, to, link string, lang job.Lang) error

const (
	// maxAsked bounds how many resets wait to be sent; what comes on top is dropped, and its sender may ask again.
	maxAsked = 256
	// deliverTimeout bounds one delivery.
	deliverTimeout = time.Minute
)

// Recovery makes password resets and has them delivered, one after the other and behind the back of whoever asks: how
// long an answer takes does not tell whether somebody has an account. What waits at a crash is lost, and can be asked for
// again.
type Recovery struct {
	accounts *Accounts
	base     func() string
	deliver  Deliver
	log      *slog.Logger

	asked  chan ask
	stop   context.CancelFunc
	done   sync.WaitGroup
	failed atomic.Bool
}

type ask struct {
	email string
	lang  job.Lang
}

// NewRecovery returns a recovery whose links begin with what base returns. Without deliver it makes no resets at all.
func NewRecovery(a *Accounts, base func() string, deliver Deliver, log *slog.Logger) *Recovery {
	return &Recovery{accounts: a, base: base, deliver: deliver, log: log, asked: make(chan ask, maxAsked)}
}

// Start begins to deliver, until Stop.
func (r *Recovery) Start() {
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	r.done.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case next := <-r.asked:
				r.serve(ctx, next)
			}
		}
	})
}

// Stop breaks off a delivery that is under way.
func (r *Recovery) Stop(context.Context) error {
	r.stop()
	r.done.Wait()
	return nil
}

// Ask has the link of a reset sent to an address, if that has an account. It never waits.
func (r *Recovery) Ask(email string, lang job.Lang) {
	if r.deliver == nil {
		return
	}
	select {
	case r.asked <- ask{email, lang}:
	default:
		r.log.Error("too many password resets wait to be sent, one is dropped")
	}
}

// Delivers reports whether resets reach people at all, and failing whether the last one could not be delivered.
func (r *Recovery) Delivers() (delivers, failing bool) { return r.deliver != nil, r.failed.Load() }

func (r *Recovery) serve(ctx context.Context, next ask) {
	ctx, cancel := context.WithTimeout(ctx, deliverTimeout)
	defer cancel()
	u, token, err := r.accounts.BeginReset(ctx, next.email)
	if errors.Is(err, ErrUnknown) {
		return
	}
	if err == nil {
		link := r.base() + "/reset-password?token=" + url.QueryEscape(token)
		err = r.deliver(ctx, u.Email, link, next.lang)
		r.failed.Store(err != nil)
	}
	if err != nil {
		r.log.ErrorContext(ctx, "a password reset could not be sent", slog.Any("error", err))
	}
}
