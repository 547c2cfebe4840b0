package account

import (
	"crypto/sha256"
	"sync"
	"time"
)

// maxVerified bounds the tokens that are remembered: some 3 MiB.
const maxVerified = 4096

// verifiedTokens remembers tokens that were found to be valid, so that only their expiry and the account have to be checked when a
// client sends them again.
type verifiedTokens struct {
	mu sync.Mutex
	// byHash has no token itself, but its hash.
	byHash map[[sha256.Size]byte]verifiedToken
}

// verifiedToken is what parse returns for a token. The claims must not be changed.
type verifiedToken struct {
	claims  *claims
	session Session
}

// get returns a token unless it is unknown or has expired.
func (v *verifiedTokens) get(hash [sha256.Size]byte, now time.Time) (verifiedToken, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	t, ok := v.byHash[hash]
	if ok && !now.Before(t.session.expires) {
		delete(v.byHash, hash)
		return verifiedToken{}, false
	}
	return t, ok
}

func (v *verifiedTokens) put(hash [sha256.Size]byte, t verifiedToken) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.byHash) >= maxVerified {
		clear(v.byHash)
	}
	if v.byHash == nil {
		v.byHash = make(map[[sha256.Size]byte]verifiedToken)
	}
	v.byHash[hash] = t
}
