package account_test

import (
	"errors"
	"os"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
)

// TestDeletedStaysDeleted copies the files of NATS, as a crash would leave them, right after the deletion of an account that was
// changed before.
func TestDeletedStaysDeleted(t *testing.T) {
	t.Parallel()
	on := func(dir string) *account.Accounts {
		b := brokertest.Start(t, func(c *broker.Config) { c.DataDir, c.Sync = dir, "always" })
		return newAccounts(t, b, config(t))
	}
	dir := t.TempDir()
	a := on(dir)
	_, err := a.Register(t.Context(), "Bob", "bob@example.org", password)
	must(t, err)
	u := register(t, a)
	u, err = a.Rename(t.Context(), u, "Ann again")
	must(t, err)
	must(t, a.Delete(t.Context(), u))
	killed := t.TempDir()
	must(t, os.CopyFS(killed, os.DirFS(dir)))
	after := on(killed)
	if _, err := after.Login(t.Context(), email, password); !errors.Is(err, account.ErrCredentials) {
		t.Errorf("login to the deleted account: %v", err)
	}
	if _, err := after.Login(t.Context(), "bob@example.org", password); err != nil {
		t.Errorf("login to the other account: %v", err)
	}
	// The address can be registered again, repeatedly.
	for range 2 {
		u, err := after.Register(t.Context(), "Ann", email, password)
		must(t, err)
		if _, err := after.Register(t.Context(), "Ann", email, password); !errors.Is(err, account.ErrTaken) {
			t.Errorf("a second account with one address: %v", err)
		}
		must(t, after.Delete(t.Context(), u))
		if err := after.Delete(t.Context(), u); !errors.Is(err, account.ErrUnknown) {
			t.Errorf("deleted twice: %v", err)
		}
	}
}
