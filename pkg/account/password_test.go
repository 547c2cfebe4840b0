package account_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

func legacy(salt string) account.Password {
	sum := sha256.Sum256([]byte(password + salt))
	return account.Password{Hash: hex.EncodeToString(sum[:]), Salt: salt}
}

// record returns an account as imported from the Cloudflare system.
func record(p account.Password) *account.User {
	return &account.User{ID: "0123456789abcdef0123456789abcdef", Username: "Ann", Email: email, Password: p, IsActive: true}
}

// TestForeignHashes verifies hashes that pbkdf2Sync and createHash of Node.js computed.
func TestForeignHashes(t *testing.T) {
	t.Parallel()
	a, _ := open(t)
	for name, p := range map[string]account.Password{
		"sha256 64":          {Hash: "c225953d65bfe30ec3edd9dc67879b82882f3706a5f9bde4230f3efc0de39e27262e46a17e45bad3eb58b97edb48b08db1d4bc33d7f110bc670e117b414ec5a8", Salt: "00112233445566778899aabbccddeeff", Algorithm: "pbkdf2", Iterations: 1000, KeyLength: 64, Digest: "sha256"},
		"sha512 32":          {Hash: "9a8c5d46d06710909ec583c8f8757a1a173c2ef4c3096ee5e964cb2f8b812130", Salt: "00112233445566778899aabbccddeeff", Algorithm: "pbkdf2", Iterations: 1000, KeyLength: 32, Digest: "sha512"},
		"sha384 48":          {Hash: "8d1308789fe8957cf26935efe0a7269740290e8e99aaf6851fe1557cbfcb837046ec9d62694a96170999b1d1f660af79", Salt: "00112233445566778899aabbccddeeff", Algorithm: "pbkdf2", Iterations: 1000, KeyLength: 48, Digest: "sha384"},
		"legacy":             {Hash: "96b4002f8d1fb06a444ae95b08520b5be7a33306a0b7e67e744307aa3ad70e52", Salt: "ffeeddccbbaa99887766554433221100"},
		"default parameters": {Hash: "4fe57b5075674c061cb5b1ec43d8800a58fc8d91ba7a0f5878a0b0bab57230e0684826be42a2b08b564ded42a1e02c70a16330a92bfff1236461e73b769f7190", Salt: "ffeeddccbbaa99887766554433221100", Algorithm: "pbkdf2"},
	} {
		must(t, a.Put(t.Context(), record(p)))
		if _, err := a.Login(t.Context(), email, password); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := a.Login(t.Context(), email, password+"x"); !errors.Is(err, account.ErrCredentials) {
			t.Errorf("%s, wrong password: %v", name, err)
		}
	}
}

func TestLoginRehashesWeakPasswords(t *testing.T) {
	t.Parallel()
	strong := account.Password{Algorithm: "pbkdf2", Iterations: 30, KeyLength: 32, Digest: "sha256"}
	for name, c := range map[string]struct {
		stored account.Password
		kept   bool
	}{
		"legacy":           {legacy("0a1b"), false},
		"legacy, no salt":  {legacy(""), false},
		"fewer rounds":     {with(t, 9, 64, "sha256"), false},
		"short hash":       {with(t, 30, 16, "sha256"), false},
		"another digest":   {with(t, 30, 64, "sha512"), false},
		"as strong":        {with(t, 30, 32, "sha256"), true},
		"longer":           {with(t, 30, 64, "sha256"), true},
		"more rounds":      {with(t, 31, 32, "sha256"), true},
		"enough of sha512": {with(t, 210_000, 32, "sha512"), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, _ := open(t, func(cfg *account.Config) { cfg.Iterations = strong.Iterations })
			must(t, a.Put(t.Context(), record(c.stored)))
			if _, err := a.Login(t.Context(), email, "wrong"); !errors.Is(err, account.ErrCredentials) {
				t.Errorf("a wrong password: %v", err)
			}
			u, err := a.Read(t.Context(), email)
			must(t, err)
			if u.Password != c.stored || u.LastLoginAt != nil {
				t.Errorf("a wrong password changed the record: %+v", u)
			}
			for range 2 {
				_, err = a.Login(t.Context(), email, password)
				must(t, err)
			}
			u, err = a.Read(t.Context(), email)
			must(t, err)
			if (u.Password == c.stored) != c.kept || u.LastLoginAt == nil || u.TokenVersion != 0 {
				t.Errorf("stored %+v", u)
			}
			if !c.kept && (u.Algorithm != "pbkdf2" || u.Iterations != 30 || u.KeyLength != 32 || u.Digest != "sha256" || len(u.Salt) != 32) {
				t.Errorf("rehashed as %+v", u.Password)
			}
		})
	}
}

func with(t *testing.T, iterations, keyLength int, digest string) account.Password {
	t.Helper()
	p, err := account.HashPassword(password, account.Password{Algorithm: "pbkdf2", Iterations: iterations, KeyLength: keyLength, Digest: digest})
	must(t, err)
	return p
}

func TestNewPasswordsAreStrongEnough(t *testing.T) {
	t.Parallel()
	var cfg account.Config
	must(t, env.Load(nil, &cfg))
	if p := account.Parameters(cfg); p.Iterations != 600_000 || p.KeyLength != 32 || p.Digest != "sha256" {
		t.Errorf("default: %+v", p)
	}
	must(t, env.Load([]string{"PBKDF2_ITERATIONS=120000", "PBKDF2_KEYLEN=64"}, &cfg))
	if p := account.Parameters(cfg); p.Iterations != 600_000 || p.KeyLength != 64 {
		t.Errorf("below the minimum: %+v", p)
	}
	must(t, env.Load([]string{"PBKDF2_ITERATIONS=700000", "PBKDF2_DIGEST=sha512"}, &cfg))
	if p := account.Parameters(cfg); p.Iterations != 700_000 || p.Digest != "sha512" {
		t.Errorf("above the minimum: %+v", p)
	}
	for _, variable := range []string{"PBKDF2_ITERATIONS=0", "PBKDF2_ITERATIONS=99999999", "PBKDF2_KEYLEN=31", "PBKDF2_KEYLEN=65", "PBKDF2_DIGEST=md5"} {
		name, _, _ := strings.Cut(variable, "=")
		if err := env.Load([]string{variable}, &cfg); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", variable, err)
		}
		cfg = account.Config{}
	}
}

// TestWrongPasswordsCostTheSame compares rounds instead of times.
func TestWrongPasswordsCostTheSame(t *testing.T) {
	t.Parallel()
	now := account.Password{Algorithm: "pbkdf2", Iterations: 600_000, KeyLength: 32, Digest: "sha256"}
	for name, p := range map[string]account.Password{
		"unknown address": {}, "legacy": legacy("ab"), "as new": {Hash: "ab", Algorithm: "pbkdf2", Iterations: 600_000, KeyLength: 32, Digest: "sha256"},
		"of Cloudflare": {Hash: "ab", Algorithm: "pbkdf2", Iterations: 120_000, KeyLength: 64, Digest: "sha256"},
		"incomplete":    {Hash: "ab", Algorithm: "pbkdf2"},
	} {
		if got := account.Rounds(p, now); got != 600_000 {
			t.Errorf("%s costs %d rounds", name, got)
		}
	}
}

func TestUnverifiableRecords(t *testing.T) {
	t.Parallel()
	a, _ := open(t)
	for name, p := range map[string]account.Password{
		"no password": {}, "no hash": {Salt: "ab"}, "not hex": {Hash: "zz", Salt: "ab"}, "empty hash of nothing": {Algorithm: "pbkdf2"},
		"huge":           {Hash: "ab", Algorithm: "pbkdf2", Iterations: 1 << 30, KeyLength: 32, Digest: "sha256"},
		"negative":       {Hash: "ab", Algorithm: "pbkdf2", Iterations: -1, KeyLength: 32, Digest: "sha256"},
		"long":           {Hash: "ab", Algorithm: "pbkdf2", Iterations: 1, KeyLength: 1 << 30, Digest: "sha256"},
		"unknown digest": {Hash: "ab", Algorithm: "pbkdf2", Iterations: 1, KeyLength: 32, Digest: "md5"},
	} {
		must(t, a.Put(t.Context(), record(p)))
		for _, attempt := range []string{"", password} {
			if _, err := a.Login(t.Context(), email, attempt); !errors.Is(err, account.ErrCredentials) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestHashingIsBounded(t *testing.T) {
	t.Parallel()
	a, _ := open(t)
	u := register(t, a)
	release := a.Occupy()
	most := account.WaitingSlots * a.Slots()
	outcomes := make(chan error, most+1)
	for range most + 1 {
		go func() {
			_, err := a.Login(t.Context(), email, password)
			outcomes <- err
		}()
	}
	if err := <-outcomes; !errors.Is(err, account.ErrBusy) {
		t.Errorf("beyond the limit: %v", err)
	}
	// Tokens need no hashing.
	if _, _, err := a.Identify(t.Context(), token(t, a, u)); err != nil {
		t.Error(err)
	}
	release()
	for range most {
		must(t, <-outcomes)
	}
	if a.Waiting() != 0 {
		t.Errorf("%d callers are waiting", a.Waiting())
	}
}

func TestFields(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("字", account.MaxPassword)
	for _, c := range []struct {
		check func(string, string) []job.FieldError
		value string
		code  string
	}{
		{account.CheckPassword, "", "required"},
		{account.CheckPassword, "seven 7", "too_short"},
		{account.CheckPassword, "eight 88", ""},
		{account.CheckPassword, "密码密码密码密", "too_short"}, // Characters count, not bytes.
		{account.CheckPassword, "密码密码密码密码", ""},
		{account.CheckPassword, "😀😀😀😀😀😀😀😀", ""},
		{account.CheckPassword, "        ", ""},
		{account.CheckPassword, "password", "password_too_common"},
		{account.CheckPassword, "PassW0rd", "password_too_common"},
		{account.CheckPassword, "12345678", "password_too_common"},
		{account.CheckPassword, "password of mine", ""},
		{account.CheckPassword, long, ""},
		{account.CheckPassword, long + "x", "too_long"},
		{account.CheckUsername, " ", "required"},
		{account.CheckUsername, "安", ""},
		{account.CheckUsername, "a\nb", "control_character"},
		{account.CheckUsername, strings.Repeat("x", account.MaxUsername+1), "too_long"},
		{account.CheckEmail, "", "required"},
		{account.CheckEmail, " a@b.c ", ""},
		{account.CheckEmail, "A.B+c@Example.ORG", ""},
		{account.CheckEmail, "a", "invalid_email"},
		{account.CheckEmail, "a@b", "invalid_email"},
		{account.CheckEmail, "a b@c.d", "invalid_email"},
		{account.CheckEmail, "a@b.c\r\nBcc: x@y.z", "invalid_email"},
		{account.CheckEmail, "Ann <a@b.c>", "invalid_email"},
		{account.CheckEmail, "a@b.c,d@e.f", "invalid_email"},
		{account.CheckEmail, "a\x00@b.c", "invalid_email"},
		{account.CheckEmail, "\u212aate@b.c", "invalid_email"}, // The kelvin sign, whose lower case is k.
		{account.CheckEmail, "ünal@b.c", ""},
		{account.CheckEmail, strings.Repeat("a", 251) + "@b.c", "invalid_email"},
	} {
		got := ""
		if faults := c.check("/x", c.value); len(faults) > 0 {
			got = faults[0].Code
		}
		if got != c.code {
			t.Errorf("%.40q: %q, want %q", c.value, got, c.code)
		}
	}
}
