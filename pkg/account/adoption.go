package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

var (
	// ErrAdopted is returned for a guest that another account has adopted.
	ErrAdopted = errors.New("another account has adopted the guest")
	// ErrTooManyAdopted is returned for an account that has adopted MaxAdopted guests.
	ErrTooManyAdopted = errors.New("the account has adopted too many guests")
)

const (
	// MaxAdopted bounds the guests of an account whose works have not expired. Each makes the account's lists cost more.
	MaxAdopted = 10
	// adoptionSlack is for how long beyond RESULT_TTL an adoption is kept: the longest deadline of a job, and an hour.
	adoptionSlack = job.MaxDeadline*time.Second + time.Hour
)

// adoption names the account that has adopted a guest. Adoptions have keys of their own, so that exactly one account can create
// that of a guest, and are not part of an account's record, from which a version that does not know them would drop them.
type adoption struct {
	V     int    `json:"v"`
	Owner string `json:"owner"`
}

// adoptions lists the guests that an account has adopted, the latest last.
type adoptions struct {
	V      int       `json:"v"`
	Guests []adopted `json:"guests"`
}

type adopted struct {
	Guest string   `json:"guest"`
	At    job.Time `json:"at"`
}

// Adopt gives the works of a guest to an account. Of two accounts that adopt a guest, exactly one succeeds; the other fails with
// ErrAdopted. Only after either outcome the guest's name may be discarded: if a process dies between the two writes, the next
// caller completes them. It is idempotent, and fails with ErrTooManyAdopted and ErrFull. It costs three requests.
func (a *Accounts) Adopt(ctx context.Context, u *User, guest string) error {
	owner := u.Owner()
	list, err := a.adoptionsOf(ctx, owner)
	switch {
	case err != nil:
		return err
	case list.has(guest):
		return nil
	case len(list.Guests) >= MaxAdopted:
		return ErrTooManyAdopted
	}
	adopter := owner
	_, err = a.adopters.Create(ctx, broker.AdoptionSubject(guest), adoption{job.Version, owner})
	if errors.Is(err, kv.ErrConflict) {
		adopter, err = a.Adopter(ctx, guest)
	}
	switch {
	case err != nil:
		return err
	case adopter == "":
		return fmt.Errorf("adopt a guest: the adoption has just expired: %w", kv.ErrConflict)
	}
	_, err = a.adoptions.Change(ctx, broker.AdoptionsSubject(adopter), func(e *kv.Entry[adoptions]) error {
		e.Value.dropExpired(a.now().Add(-a.worksAge))
		if e.Value.has(guest) {
			return kv.ErrUnchanged
		}
		e.Value.V = job.Version
		e.Value.Guests = append(e.Value.Guests, adopted{guest, job.At(a.now())})
		return nil
	})
	if err == nil && adopter != owner {
		err = ErrAdopted
	}
	return err
}

// Adopter returns the owner name of the account that has adopted a guest, or "". It costs one request.
func (a *Accounts) Adopter(ctx context.Context, guest string) (owner string, err error) {
	e, err := a.adopters.Get(ctx, broker.AdoptionSubject(guest))
	if errors.Is(err, kv.ErrNotFound) {
		err = nil
	}
	return e.Value.Owner, err
}

// Adopted returns the guests whose works belong to an account, by its owner name, the latest first. It costs one request.
func (a *Accounts) Adopted(ctx context.Context, owner string) ([]string, error) {
	list, err := a.adoptionsOf(ctx, owner)
	if err != nil {
		return nil, err
	}
	var guests []string
	for _, g := range slices.Backward(list.Guests) {
		guests = append(guests, g.Guest)
	}
	return guests, nil
}

// ForgetAdoptions removes the list of the guests that an account had adopted. The caller must have removed their works.
func (a *Accounts) ForgetAdoptions(ctx context.Context, owner string) error {
	guests, err := a.Adopted(ctx, owner)
	if err != nil {
		return err
	}
	for _, guest := range guests {
		if err := a.adopters.Purge(ctx, broker.AdoptionSubject(guest)); err != nil {
			return err
		}
	}
	return a.adoptions.Purge(ctx, broker.AdoptionsSubject(owner))
}

// adoptionsOf returns the adoptions of an account whose works may not have expired.
func (a *Accounts) adoptionsOf(ctx context.Context, owner string) (*adoptions, error) {
	e, err := a.adoptions.Get(ctx, broker.AdoptionsSubject(owner))
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return nil, err
	}
	e.Value.dropExpired(a.now().Add(-a.worksAge))
	return &e.Value, nil
}

func (l *adoptions) has(guest string) bool {
	return slices.ContainsFunc(l.Guests, func(g adopted) bool { return g.Guest == guest })
}

// dropExpired removes the adoptions before a time.
func (l *adoptions) dropExpired(before time.Time) {
	l.Guests = slices.DeleteFunc(l.Guests, func(g adopted) bool { return g.At.Before(before) })
}
