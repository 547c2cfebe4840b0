package migrate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/account"
)

// Accounts imports an export of the namespace USERS. now is the creation time of accounts without one. It returns an error when
// the export is not a JSON array of entries or NATS has no room; the entries before stay imported. It costs two requests per new
// account, and three more if the account is linked to a Google account.
func Accounts(ctx context.Context, to *account.Accounts, export io.Reader, now time.Time) (*Result, error) {
	emails, err := to.Emails(ctx)
	if err != nil {
		return nil, err
	}
	i := accountImport{to: to, now: now, emails: emails, created: make(map[string]bool), result: &Result{}}
	// The old system looked accounts up by the address in lower case, and stored some of them also under the address as it was
	// typed. Import the lower-case copy first; a password that was set later under the other key replaces it.
	var mixedCase []entry
	err = forEach(export, func(e entry) error {
		if e.Key != account.NormalizeEmail(e.Key) && !isForeignToAccounts(e) {
			mixedCase = append(mixedCase, e)
			return nil
		}
		return i.add(ctx, e)
	})
	if err != nil {
		return i.result, err
	}
	for _, e := range mixedCase {
		if err := i.add(ctx, e); err != nil {
			return i.result, err
		}
	}
	return i.result, nil
}

// Owners returns the owner names of all accounts by ID. It costs one request per 500 accounts.
func Owners(ctx context.Context, accounts *account.Accounts) (map[string]string, error) {
	emails, err := accounts.Emails(ctx)
	if err != nil {
		return nil, err
	}
	owners := make(map[string]string, len(emails))
	for id := range emails {
		owners[id] = (&account.User{ID: id}).Owner()
	}
	return owners, nil
}

func isForeignToAccounts(e entry) bool {
	return hasPrefix(e.Key, "RATE_LIMIT:", "USAGE:", "__health__:")
}

// accountImport is the state of an import of accounts.
type accountImport struct {
	to  *account.Accounts
	now time.Time
	// emails holds the addresses of all accounts by ID.
	emails map[string]string
	// created holds the IDs of the accounts that this import created.
	created map[string]bool
	result  *Result
}

// add imports one entry.
func (i *accountImport) add(ctx context.Context, e entry) error {
	if isForeignToAccounts(e) {
		i.result.Foreign++
		return nil
	}
	reason, err := i.addUser(ctx, e)
	if err != nil {
		return fmt.Errorf("import entry %d: %w", e.Position, err)
	}
	i.result.skip(e.Position, 0, reason)
	return nil
}

// addUser imports the account of an entry, or returns why it is skipped.
func (i *accountImport) addUser(ctx context.Context, e entry) (reason string, err error) {
	u, reason := userOf(e, i.now)
	if reason != "" {
		return reason, nil
	}
	if email, exists := i.emails[u.ID]; exists && email != u.Email {
		return "another account has its id", nil
	}
	created, err := i.to.Import(ctx, u)
	switch {
	case errors.Is(err, account.ErrTaken):
		return "another account has its email address", nil
	case err != nil:
		return "", err
	case created:
		i.emails[u.ID], i.created[u.ID] = u.Email, true
		i.result.Imported++
		if u.HasPassword() && !u.Verifiable() {
			i.result.Unverifiable++
		}
		return "", nil
	}
	i.result.Kept++
	if !i.created[u.ID] {
		return "", nil
	}
	return "", i.to.ImportPassword(ctx, u)
}

// emailForm is the check of addresses in the old system.
var emailForm = regexp.MustCompile(`^[^\s@]+@[^\s@]+\.[^\s@]+$`)

// userOf returns the account of an entry, or why it is skipped.
func userOf(e entry, now time.Time) (u *account.User, reason string) {
	u, err := readRecord(e.Value, now)
	if err != nil {
		return nil, "its value is not the JSON of an account"
	}
	if u.Email == "" {
		u.Email = e.Key
	}
	u.Email, u.Username = account.NormalizeEmail(u.Email), strings.TrimSpace(u.Username)
	switch {
	case u.ID == "":
		return nil, "it has no id"
	case !emailForm.MatchString(u.Email) || len(u.Email) > account.MaxEmail:
		return nil, "it has no email address"
	case account.NormalizeEmail(e.Key) != u.Email:
		return nil, "its key differs from its email address"
	case !u.HasPassword() && u.AuthProvider == "":
		return nil, "it has no password and no other way to sign in"
	}
	if u.Username == "" {
		u.Username, _, _ = strings.Cut(u.Email, "@")
	}
	return u, ""
}
