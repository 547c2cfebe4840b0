package account

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// googleLink says which account a Google account opens. It holds only together with the account's record, which has to
// name the same Google account: what is left over of a deleted or unlinked account opens nothing, and is replaced.
type googleLink struct {
	V      int    `json:"v"`
	UserID string `json:"userId"`
	// Key is that of the account's record.
	Key string `json:"key"`
}

func googleKey(subject string) string {
	sum := sha256.Sum256([]byte("google " + subject))
	return hex.EncodeToString(sum[:])
}

// readGoogle returns a link and its revision, nil when there is none.
func (a *Accounts) readGoogle(ctx context.Context, subject string) (*googleLink, uint64, error) {
	msg, err := broker.LeaderLast(ctx, a.js, broker.UsersStream, broker.GoogleSubject(googleKey(subject)))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return nil, 0, nil
	case err != nil:
		return nil, 0, fmt.Errorf("read google link: %w", err)
	case len(msg.Data) == 0:
		return nil, msg.Sequence, nil
	}
	var l googleLink
	if err := json.Unmarshal(msg.Data, &l); err != nil {
		return nil, 0, errors.New("decode google link: not a link")
	}
	if l.V > job.Version {
		return nil, 0, fmt.Errorf("decode google link: %w", job.ErrNewer)
	}
	return &l, msg.Sequence, nil
}

// byGoogle returns the account that a Google account is linked to, nil when there is none, and the revision of the link,
// which may be left over.
func (a *Accounts) byGoogle(ctx context.Context, subject string) (*User, uint64, error) {
	l, revision, err := a.readGoogle(ctx, subject)
	if err != nil || l == nil {
		return nil, revision, err
	}
	u, _, err := a.read(ctx, l.Key)
	switch {
	case errors.Is(err, ErrUnknown):
		return nil, revision, nil
	case err != nil:
		return nil, 0, err
	case u.ID != l.UserID || u.google().ID != subject:
		return nil, revision, nil
	}
	return u, revision, nil
}

// bindGoogle stores a link, unless it was changed since the revision, and returns the new one. It fails with errConflict
// then.
func (a *Accounts) bindGoogle(ctx context.Context, subject string, u *User, revision uint64) (uint64, error) {
	data, err := json.Marshal(googleLink{V: job.Version, UserID: u.ID, Key: key(u.Email)})
	if err != nil {
		return 0, fmt.Errorf("encode google link: %w", err)
	}
	ack, err := a.js.Publish(ctx, broker.GoogleSubject(googleKey(subject)), data, jetstream.WithExpectLastSequencePerSubject(revision))
	if err != nil {
		return 0, published(err)
	}
	return ack.Sequence, nil
}

// dropGoogle removes the link to an account, if it has one.
func (a *Accounts) dropGoogle(ctx context.Context, u *User) error {
	subject := u.google().ID
	if subject == "" {
		return nil
	}
	l, revision, err := a.readGoogle(ctx, subject)
	if err != nil || l == nil || l.UserID != u.ID {
		return err
	}
	// Up to what was read and no further: another account may have been linked meanwhile.
	err = a.users.Purge(ctx, jetstream.WithPurgeSubject(broker.GoogleSubject(googleKey(subject))), jetstream.WithPurgeSequence(revision+1))
	if err != nil {
		return fmt.Errorf("delete google link: %w", err)
	}
	return nil
}

// LinkGoogle has a Google account open an account, whose owner must have proved to be that. The two may have different
// addresses. It fails with ErrUnverified, with ErrLinked when the Google account opens another account, and with
// ErrOtherGoogle when another Google account opens this one. Linking again changes nothing.
func (a *Accounts) LinkGoogle(ctx context.Context, u *User, g GoogleIdentity) (*User, error) {
	if !g.Verified || !ValidEmail(g.Email) || g.Subject == "" {
		return nil, ErrUnverified
	}
	for range maxTries {
		linked, err := a.linkGoogle(ctx, u, g)
		if !errors.Is(err, errConflict) {
			return linked, err
		}
	}
	return nil, fmt.Errorf("link google: %w", errConflict)
}

func (a *Accounts) linkGoogle(ctx context.Context, u *User, g GoogleIdentity) (*User, error) {
	holder, revision, err := a.byGoogle(ctx, g.Subject)
	if err != nil {
		return nil, err
	}
	if holder != nil && holder.ID != u.ID {
		return nil, ErrLinked
	}
	check := func(now *User) error {
		if linked := now.google().ID; linked != "" && linked != g.Subject {
			return ErrOtherGoogle
		}
		return nil
	}
	now, _, err := a.read(ctx, key(u.Email))
	if err != nil {
		return nil, err
	}
	if now.ID != u.ID {
		return nil, ErrUnknown
	}
	if err := check(now); err != nil {
		return nil, err
	}
	if holder == nil {
		// Before the record, so that a crash in between leaves no account that only seems to be linked.
		if revision, err = a.bindGoogle(ctx, g.Subject, u, revision); err != nil {
			return nil, err
		}
	}
	linked, err := a.same(ctx, u, func(now *User) error {
		if err := check(now); err != nil {
			return err
		}
		if !now.HasGoogle() {
			// Whatever a record of before says: Google has not vouched for the address of the account, and a reset of the
			// password ends this link.
			now.AuthProvider = ""
		}
		now.GoogleInfo = g.info()
		if NormalizeEmail(g.Email) == NormalizeEmail(now.Email) {
			now.EmailUnverified = false // Google has verified the very address.
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	// Until the record was stored the link held nothing, and somebody else may have taken it, or may have read it and be about
	// to. Stored once more it is beyond both: whoever reads it from now on finds the record too.
	_, err = a.bindGoogle(ctx, g.Subject, u, revision)
	if errors.Is(err, errConflict) {
		_, undone := a.same(ctx, u, func(now *User) error {
			if now.google().ID == g.Subject {
				now.GoogleInfo = nil
			}
			return nil
		})
		return nil, errors.Join(err, undone)
	}
	if err != nil {
		return nil, err
	}
	return linked, nil
}

// UnlinkGoogle takes away that a Google account opens an account. It fails with ErrNoPassword when there is no other way
// to enter it. Whoever is signed in stays so.
func (a *Accounts) UnlinkGoogle(ctx context.Context, u *User) (*User, error) {
	var before User
	now, err := a.same(ctx, u, func(now *User) error {
		if !now.HasPassword() {
			return ErrNoPassword
		}
		before = *now
		now.GoogleInfo, now.AuthProvider = nil, ""
		return nil
	})
	if err != nil {
		return nil, err
	}
	// From here on the link opens nothing, whether it can be removed or not.
	_ = a.dropGoogle(ctx, &before)
	return now, nil
}
