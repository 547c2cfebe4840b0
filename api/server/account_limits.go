package server

import (
	"encoding/hex"
	"strings"
	"time"

	"github.com/text2image-audio/text2image-audio/api/server/internal/keys"
	"github.com/text2image-audio/text2image-audio/api/server/internal/ratelimit"
)

const (
	guessWindow = 5 * time.Minute
	emailWindow = time.Hour
	// maxGuessWindow bounds the growing time between guesses.
	maxGuessWindow = time.Hour
	// familiarWindow is how long a network stays familiar.
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

// accountLimits bound what strangers can try at accounts. An attempt counts when it begins, so that parallel attempts all
// count, and is refunded when it turns out not to be a guess.
type accountLimits struct {
	key []byte
	// byAddress bounds wrong logins from one address, to any account.
	byAddress *ratelimit.Limiter
	// byPair bounds wrong logins to one account from one network: it stops a guesser early without locking out the owner of
	// the account, who is elsewhere.
	byPair *ratelimit.Limiter
	// byAccount bounds wrong logins to one account from all networks that are not familiar.
	byAccount *ratelimit.Limiter
	// familiar holds the networks from which somebody has signed in to an account: a guesser elsewhere cannot lock out the
	// owner there.
	familiar *ratelimit.Limiter
	// passwordChecks bounds wrong passwords given by a signed-in member.
	passwordChecks *ratelimit.Limiter
	// resetTokens bounds wrong tokens of password resets from one address.
	resetTokens *ratelimit.Limiter
	// emailsByAddress bounds the emails that one address may request, and emailsTo those that one account may be sent.
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

// takeLogin counts an attempt to sign in, before it is made, and returns how long the caller has to wait, or a function
// that refunds the attempt. It makes no difference whether the account exists. A refused attempt counts nowhere: the
// attempts of one address must not use up what all others have.
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

// addFamiliar remembers the network from which somebody has signed in to an account.
func (l *accountLimits) addFamiliar(address, email string) {
	l.familiar.Take(l.pairKey(address, email))
}
