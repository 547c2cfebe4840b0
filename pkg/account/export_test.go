package account

import (
	"context"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// What tests look at from outside.
var (
	Key          = keyOf
	DecodeUser   = decodeUser
	HashPassword = hashPassword
	WaitingSlots = waitingPerSlot
	MaxSignedOut = maxSignedOut

	CommonPasswordList = commonPasswordList
)

// WithWeakHashes disables the minimum of Config.Iterations.
func WithWeakHashes() Option {
	return func(a *Accounts) { a.hasher.parameters.Iterations = a.cfg.Iterations }
}

// Parameters returns the parameters of new passwords.
func Parameters(c Config) Password { return c.parameters() }

// Put stores an account as it is, without a look at what is there.
func (a *Accounts) Put(ctx context.Context, u *User) error {
	u.V = job.Version
	_, err := a.users.Put(ctx, broker.UserSubject(keyOf(u.Email)), *u)
	return err
}

// Read returns an account as it is stored.
func (a *Accounts) Read(ctx context.Context, email string) (*User, error) {
	u, _, err := a.read(ctx, keyOf(email))
	return u, err
}

// Occupy takes every slot in which passwords are hashed.
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

// Slots is how many passwords are hashed at once.
func (a *Accounts) Slots() int { return cap(a.hasher.slots) }

// Waiting is how many callers wait for a slot or are about to.
func (a *Accounts) Waiting() int { return int(a.hasher.waiting.Load()) }

// Rounds is what checking a wrong password costs.
func Rounds(stored, parameters Password) int {
	spent := 0
	if stored.set() {
		spent = stored.rounds()
	}
	blocks := (parameters.KeyLength + digests[parameters.Digest].size - 1) / digests[parameters.Digest].size
	return spent + max(0, parameters.Iterations-spent/blocks)*blocks
}

// WithPauses changes the pauses before retries.
func WithPauses(p ...time.Duration) MailerOption { return func(m *Mailer) { m.retryDelays = p } }

// WithSenders has at most n e-mails sent at once.
func WithSenders(n int) MailerOption {
	return func(m *Mailer) { m.senders = make(chan struct{}, n) }
}

// MaxSenders is how many e-mails are sent at once.
const MaxSenders = maxSenders

// LinkOf returns whose account a stored link names, "" when there is none, whether it still holds or not.
func (a *Accounts) LinkOf(ctx context.Context, subject string) (string, error) {
	l, _, err := a.readGoogleLink(ctx, subject)
	if err != nil || l == nil {
		return "", err
	}
	return l.UserID, nil
}

// PutLink stores a link as it is, as an operation that was broken off may have left it.
func (a *Accounts) PutLink(ctx context.Context, subject string, u *User) error {
	_, revision, err := a.readGoogleLink(ctx, subject)
	if err != nil {
		return err
	}
	_, err = a.storeGoogleLink(ctx, subject, u, revision)
	return err
}

// RemoveLink removes a link and leaves the account as it is.
func (a *Accounts) RemoveLink(ctx context.Context, u *User) error { return a.removeGoogleLink(ctx, u) }
