package server

import (
	"encoding/hex"
	"math"
	"strings"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// attempts count what strangers may try at accounts. An attempt counts when it begins, so that many at once are many, and
// is forgiven when it was none. Each process counts for itself.
type attempts struct {
	key []byte
	// byAddress bounds wrong logins from one address, whatever the accounts.
	byAddress *guesses
	// byPair bounds those at one account from one network: it stops a guesser early and leaves the account's owner, who
	// is elsewhere, alone.
	byPair *guesses
	// byAccount bounds those at one account from everywhere, but for familiar networks.
	byAccount *guesses
	// familiar are the networks from which somebody has signed in to an account: whoever guesses elsewhere cannot lock
	// its owner out there.
	familiar *guesses
	// confirmations bound how often a signed-in caller may give a wrong password.
	confirmations *guesses
	// resets bound wrong tokens of password resets from one address.
	resets *guesses
	// letters bound the letters that one address may have sent, and lettersTo those that one account may be sent.
	letters, lettersTo *guesses
	// google bounds attempts to sign in with Google from one address that came to nothing.
	google *guesses
	// verifications bound the e-mails with which one member may have the address confirmed, and verified wrong tokens of
	// them from one address.
	verifications, verified *guesses
	// saves bound the pictures that one member may have saved, of which few stay.
	saves *guesses
}

const (
	guessesWindow = 5 * time.Minute
	letterWindow  = time.Hour
	// longestWait is what the time between guesses grows to.
	longestWait = time.Hour
	// familiarFor is how long a network stays familiar.
	familiarFor = 30 * 24 * time.Hour

	maxPerAddress    = 30
	maxPerPair       = 10
	maxPerAccount    = 100
	maxConfirmations = 10
	maxResets        = 20
	maxLetters       = 10
	maxLettersTo     = 3
	maxSaves         = 100
	maxVerifications = 3
)

func newAttempts(key []byte, now func() time.Time) *attempts {
	return &attempts{
		key:           key,
		byAddress:     newGrowing(now, maxPerAddress, guessesWindow, longestWait),
		byPair:        newGrowing(now, maxPerPair, guessesWindow, longestWait),
		byAccount:     newLimit(now, maxPerAccount, letterWindow),
		familiar:      newLimit(now, 1, familiarFor),
		confirmations: newLimit(now, maxConfirmations, guessesWindow),
		resets:        newLimit(now, maxResets, guessesWindow),
		letters:       newLimit(now, maxLetters, letterWindow),
		lettersTo:     newLimit(now, maxLettersTo, letterWindow),
		google:        newLimit(now, maxPerAddress, guessesWindow),
		verifications: newLimit(now, maxVerifications, letterWindow),
		verified:      newLimit(now, maxResets, guessesWindow),
		saves:         newLimit(now, maxSaves, guessesWindow),
	}
}

// name is what stands for an e-mail address in the memory, so that a dump of it holds none.
func (a *attempts) name(email string) string {
	return hex.EncodeToString(sum(a.key, strings.ToLower(strings.TrimSpace(email)))[:16])
}

// login counts an attempt to sign in, before it is made, and returns for how long the caller has to wait, or how it is
// forgiven. Whether the account exists makes no difference. An attempt that is refused is none and counts nowhere: what
// one address sends in vain must not use up what all others have.
func (a *attempts) login(address, email string) (forgive func(), wait time.Duration) {
	who := a.name(email)
	pair := who + " " + network(address)
	type count struct {
		of  *guesses
		who string
	}
	counts := []count{{a.byAddress, guesser(address)}, {a.byPair, pair}}
	if a.familiar.wait(pair) == 0 {
		counts = append(counts, count{a.byAccount, who})
	}
	var made []count
	forgive = func() {
		for _, m := range made {
			m.of.forgive(m.who)
		}
	}
	for _, c := range counts {
		if wait = c.of.add(c.who); wait > 0 {
			forgive()
			return forgive, wait
		}
		made = append(made, c)
	}
	return forgive, 0
}

// succeeded takes note of where somebody has signed in to an account.
func (a *attempts) succeeded(address, email string) {
	a.familiar.add(a.name(email) + " " + network(address))
}

func tooManyAttempts(wait time.Duration) *problem {
	seconds := int(math.Ceil(wait.Seconds()))
	return &problem{code: codeTooManyAttempts, retryAfter: seconds, extra: map[string]any{"retry_after": seconds}}
}

func required(pointer string) job.FieldError {
	return job.FieldError{Pointer: pointer, Code: "required"}
}
