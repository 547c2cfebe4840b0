package account_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
)

// adopted returns the guests that an account has adopted.
func adopted(t testing.TB, a *account.Accounts, u *account.User) []string {
	t.Helper()
	guests, err := a.Adopted(t.Context(), u.Owner())
	must(t, err)
	return guests
}

// TestOneAccountAdopts has several accounts adopt one guest at once.
func TestOneAccountAdopts(t *testing.T) {
	t.Parallel()
	a, _ := open(t)
	users := make([]*account.User, 8)
	for i := range users {
		var err error
		users[i], err = a.Register(t.Context(), "Ann", fmt.Sprintf("ann%d@example.org", i), password)
		must(t, err)
	}
	var wg sync.WaitGroup
	errs := make([]error, len(users))
	for i, u := range users {
		wg.Go(func() { errs[i] = a.Adopt(t.Context(), u, "g-1") })
	}
	wg.Wait()
	adopters := 0
	for i, u := range users {
		has := slices.Equal(adopted(t, a, u), []string{"g-1"})
		switch {
		case errs[i] == nil && has:
			adopters++
			must(t, a.Adopt(t.Context(), u, "g-1")) // Again.
			if guests := adopted(t, a, u); len(guests) != 1 {
				t.Errorf("adopted %v", guests)
			}
		case !errors.Is(errs[i], account.ErrAdopted) || len(adopted(t, a, u)) > 0:
			t.Errorf("account %d: %v, adopted %v", i, errs[i], adopted(t, a, u))
		}
	}
	if adopters != 1 {
		t.Errorf("%d accounts have adopted the guest", adopters)
	}
}

// TestAdoptionInterrupted stops a process between the two writes of an adoption.
func TestAdoptionInterrupted(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	a := newAccounts(t, b, config(t))
	ann := register(t, a)
	bob, err := a.Register(t.Context(), "Bob", "bob@example.org", password)
	must(t, err)
	for guest, next := range map[string]*account.User{"g-1": ann, "g-2": bob} {
		_, err := b.JetStream().Publish(t.Context(), broker.AdoptionSubject(guest), fmt.Appendf(nil, `{"v":1,"owner":%q}`, ann.Owner()))
		must(t, err)
		if slices.Contains(adopted(t, a, ann), guest) {
			t.Fatalf("%s is adopted too soon", guest)
		}
		if err := a.Adopt(t.Context(), next, guest); errors.Is(err, account.ErrAdopted) != (next == bob) {
			t.Errorf("%s: %v", guest, err)
		}
		if !slices.Contains(adopted(t, a, ann), guest) || len(adopted(t, a, bob)) > 0 {
			t.Errorf("%s: Ann has %v, Bob %v", guest, adopted(t, a, ann), adopted(t, a, bob))
		}
	}
}

func TestAdoptionsAreLimited(t *testing.T) {
	t.Parallel()
	a, clock := open(t)
	u := register(t, a)
	for i := range account.MaxAdopted {
		must(t, a.Adopt(t.Context(), u, fmt.Sprint("g-", i)))
	}
	if err := a.Adopt(t.Context(), u, "g-more"); !errors.Is(err, account.ErrTooManyAdopted) {
		t.Errorf("one more: %v", err)
	}
	if by, err := a.Adopter(t.Context(), "g-more"); err != nil || by != "" {
		t.Errorf("the refused guest is adopted by %q, %v", by, err)
	}
	must(t, a.Adopt(t.Context(), u, "g-0"))
	if guests := adopted(t, a, u); len(guests) != account.MaxAdopted || guests[0] != "g-9" {
		t.Errorf("adopted %v", guests)
	}
	// Works expire a day after a job's end, which is a day after its submission at the latest.
	clock.Advance(50 * time.Hour)
	must(t, a.Adopt(t.Context(), u, "g-more"))
	if guests := adopted(t, a, u); !slices.Equal(guests, []string{"g-more"}) {
		t.Errorf("adopted %v", guests)
	}
	must(t, a.ForgetAdoptions(t.Context(), u.Owner()))
	if by, err := a.Adopter(t.Context(), "g-more"); err != nil || by != "" || len(adopted(t, a, u)) > 0 {
		t.Errorf("not forgotten: %q, %v", by, err)
	}
}
