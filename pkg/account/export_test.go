package account

import (
	"context"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// Internals for external tests.
var (
	Key          = keyOf
	DecodeUser   = decodeUser
	HashPassword = hashPassword
	WaitingSlots = waitingPerSlot
	MaxSignedOut = maxSignedOut
	MaxVerified  = maxVerified

	CommonPasswordList = commonPasswordList
)

// Verified returns how many tokens are remembered.
func Verified(a *Accounts) int {
	a.verified.mu.Lock()
	defer a.verified.mu.Unlock()
	return len(a.verified.byHash)
}

// WithWeakHashes disables the minimum of Config.Iterations.
func WithWeakHashes() Option {
	return func(a *Accounts) { a.hasher.parameters.Iterations = a.cfg.Iterations }
}

// Parameters returns the parameters of new passwords.
func Parameters(c Config) Password { return c.parameters() }

// Put stores an account unconditionally.
func (a *Accounts) Put(ctx context.Context, u *User) error {
	u.V = job.Version
	_, err := a.users.Put(ctx, broker.UserSubject(keyOf(u.Email)), *u)
	return err
}

// Read returns the stored account with an address.
func (a *Accounts) Read(ctx context.Context, email string) (*User, error) {
	u, _, err := a.read(ctx, keyOf(email))
	return u, err
}

// Occupy acquires all slots of the hasher.
func (a *Accounts) Occupy() (release func()) {
	for range cap(a.hasher.slots) {
		a.hasher.slots <- struct{}{}
	}
	return func() {
		for range cap(a.hasher.slots) {
			<-a.hasher.slots
		}
	}
}

// Slots returns the number of slots of the hasher.
func (a *Accounts) Slots() int { return cap(a.hasher.slots) }

// Waiting returns the number of callers that wait for a slot.
func (a *Accounts) Waiting() int { return int(a.hasher.waiting.Load()) }

// Rounds returns the cost of checking a wrong password.
func Rounds(stored, parameters Password) int {
	spent := 0
	if stored.set() {
		spent = stored.rounds()
	}
	blocks := (parameters.KeyLength + digests[parameters.Digest].size - 1) / digests[parameters.Digest].size
	return spent + max(0, parameters.Iterations-spent/blocks)*blocks
}

// WithPauses sets the delays before retries.
func WithPauses(p ...time.Duration) MailerOption { return func(m *Mailer) { m.retryDelays = p } }

// WithSenders bounds concurrent deliveries to n.
func WithSenders(n int) MailerOption {
	return func(m *Mailer) { m.senders = make(chan struct{}, n) }
}

// MaxSenders bounds concurrent deliveries.
const MaxSenders = maxSenders

// LinkOf returns the ID of the account in a stored link, valid or not, or "" when there is none.
func (a *Accounts) LinkOf(ctx context.Context, subject string) (string, error) {
	l, _, err := a.readGoogleLink(ctx, subject)
	if err != nil || l == nil {
		return "", err
	}
	return l.UserID, nil
}

// PutLink stores a link unconditionally, as an interrupted operation may have left it.
func (a *Accounts) PutLink(ctx context.Context, subject string, u *User) error {
	_, revision, err := a.readGoogleLink(ctx, subject)
	if err != nil {
		return err
	}
	_, err = a.storeGoogleLink(ctx, subject, u, revision)
	return err
}

// RemoveLink removes a link without changing the account.
func (a *Accounts) RemoveLink(ctx context.Context, u *User) error { return a.removeGoogleLink(ctx, u) }
