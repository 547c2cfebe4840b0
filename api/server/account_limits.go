package server

import (
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/text2image-audio/text2image-audio/api/server/internal/keys"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/ratelimit"
)

const (
	guessWindow = 5 * time.Minute
	emailWindow = time.Hour
	// maxGuessWindow bounds the growing windows of failed logins.
	maxGuessWindow = time.Hour
	// familiarWindow is how long a network stays familiar after a sign-in.
	familiarWindow = 30 * 24 * time.Hour

	maxLoginsByAddress  = 30
	maxLoginsByPair     = 10
	maxLoginsByAccount  = 100
	maxPasswordChecks   = 10
	maxTokens           = 20
	maxEmailsByAddress  = 10
	maxEmailsTo         = 3
	maxVerificationSent = 3
)

// accountLimits limits attempts to guess passwords and tokens, and the emails that callers can request. An attempt counts
// when it begins, so that parallel attempts all count, and is refunded unless it fails because of a wrong secret.
type accountLimits struct {
	key []byte
	// byAddress bounds wrong logins from one address, to any account.
	byAddress *ratelimit.Limiter
	// byPair bounds wrong logins to one account from one network: it stops an attacker early without locking out the owner of
	// the account on another network.
	byPair *ratelimit.Limiter
	// byAccount bounds wrong logins to one account from all unfamiliar networks together.
	byAccount *ratelimit.Limiter
	// familiar holds the networks from which an account was signed in to: an attacker on another network cannot lock the
	// owner out there.
	familiar *ratelimit.Limiter
	// passwordChecks bounds wrong passwords given by a signed-in member.
	passwordChecks *ratelimit.Limiter
	// resetTokens bounds wrong tokens of password resets from one address.
	resetTokens *ratelimit.Limiter
	// emailsByAddress bounds the emails that one address may request, and emailsTo those sent to one account.
	emailsByAddress, emailsTo *ratelimit.Limiter
	// google bounds failed attempts to sign in with Google from one address.
	google *ratelimit.Limiter
	// verificationEmails bounds the verification emails of one member, and verificationTokens wrong tokens from one address.
	verificationEmails, verificationTokens *ratelimit.Limiter
}

func newAccountLimits(key []byte, now func() time.Time) *accountLimits {
	return &accountLimits{
		key:                key,
		byAddress:          ratelimit.NewGrowing(now, maxLoginsByAddress, guessWindow, maxGuessWindow),
		byPair:             ratelimit.NewGrowing(now, maxLoginsByPair, guessWindow, maxGuessWindow),
		byAccount:          ratelimit.New(now, maxLoginsByAccount, emailWindow),
		familiar:           ratelimit.New(now, 1, familiarWindow),
		passwordChecks:     ratelimit.New(now, maxPasswordChecks, guessWindow),
		resetTokens:        ratelimit.New(now, maxTokens, guessWindow),
		emailsByAddress:    ratelimit.New(now, maxEmailsByAddress, emailWindow),
		emailsTo:           ratelimit.New(now, maxEmailsTo, emailWindow),
		google:             ratelimit.New(now, maxLoginsByAddress, guessWindow),
		verificationEmails: ratelimit.New(now, maxVerificationSent, emailWindow),
		verificationTokens: ratelimit.New(now, maxTokens, guessWindow),
	}
}

// accountKey returns the key of an email address. It is a keyed hash, so that a dump of the memory holds no addresses.
func (l *accountLimits) accountKey(email string) string {
	return hex.EncodeToString(keys.Sum(l.key, strings.ToLower(strings.TrimSpace(email)))[:16])
}

func (l *accountLimits) pairKey(address, email string) string {
	return l.accountKey(email) + " " + ratelimit.Network(address)
}

// takeLogin counts an attempt to sign in before it is made. It returns how long the caller has to wait, or 0 and a function
// that refunds the attempt. Whether the account exists makes no difference. A rejected attempt counts against no limit, so
// that one address cannot exhaust the limits of others.
func (l *accountLimits) takeLogin(address, email string) (refund func(), wait time.Duration) {
	account, pair := l.accountKey(email), l.pairKey(address, email)
	type attempt struct {
		limiter *ratelimit.Limiter
		key     string
	}
	attempts := []attempt{{l.byAddress, ratelimit.ClientKey(address)}, {l.byPair, pair}}
	if l.familiar.Wait(pair) == 0 {
		attempts = append(attempts, attempt{l.byAccount, account})
	}
	var taken []attempt
	refund = func() {
		for _, a := range taken {
			a.limiter.Refund(a.key)
		}
	}
	for _, a := range attempts {
		if wait = a.limiter.Take(a.key); wait > 0 {
			refund()
			return refund, wait
		}
		taken = append(taken, a)
	}
	return refund, 0
}

// take counts an attempt of a key. It fails with a problem if the key has none left.
func take(l *ratelimit.Limiter, key string) error {
	if wait := l.Take(key); wait > 0 {
		return problem.TooManyAttempts(wait)
	}
	return nil
}

// attempt calls do if key has an attempt left. The attempt counts only if do fails with wrong.
func attempt(l *ratelimit.Limiter, key string, wrong error, do func() error) error {
	if err := take(l, key); err != nil {
		return err
	}
	err := do()
	if !errors.Is(err, wrong) {
		l.Refund(key)
	}
	return err
}

// addFamiliar records the network of a successful sign-in to an account.
func (l *accountLimits) addFamiliar(address, email string) {
	l.familiar.Take(l.pairKey(address, email))
}
