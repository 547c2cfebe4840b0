package account_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/account"
)

type fields = map[string]any

func part(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	must(t, err)
	return base64.RawURLEncoding.EncodeToString(b)
}

// forge returns a token signed with a key.
func forge(t testing.TB, key string, header, claims fields) string {
	t.Helper()
	input := part(t, header) + "." + part(t, claims)
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// forgeLegacy returns a token of the oldest format.
func forgeLegacy(t testing.TB, key string, claims fields) string {
	t.Helper()
	encode := func(v any) string {
		b, err := json.Marshal(v)
		must(t, err)
		return base64.StdEncoding.EncodeToString(b)
	}
	input := encode(fields{"alg": "HS256", "typ": "JWT"}) + "." + encode(claims)
	sum := sha256.Sum256([]byte(input + "." + key))
	return input + "." + base64.StdEncoding.EncodeToString([]byte(hex.EncodeToString(sum[:])))
}

func TestTokens(t *testing.T) {
	t.Parallel()
	a, time := open(t)
	u := register(t, a)
	good, now := token(t, a, u), time.Now().Unix()
	hs := fields{"alg": "HS256", "typ": "JWT"}
	body := func(changes fields) fields {
		claims := fields{"userId": u.ID, "email": u.Email, "iat": now, "exp": now + 3600}
		for name, value := range changes {
			if value == nil {
				delete(claims, name)
			} else {
				claims[name] = value
			}
		}
		return claims
	}
	head, payload, signature := cut(good)
	cases := map[string]struct {
		token string
		want  error
	}{
		"ours":                          {good, nil},
		"of the Cloudflare system":      {forge(t, secret, hs, body(nil)), nil},
		"address in capitals":           {forge(t, secret, hs, body(fields{"email": strings.ToUpper(u.Email)})), nil},
		"our issuer":                    {forge(t, secret, hs, body(fields{"iss": "text2image-audio"})), nil},
		"oldest format":                 {forgeLegacy(t, secret, body(nil)), nil},
		"another issuer":                {forge(t, secret, hs, body(fields{"iss": "elsewhere"})), account.ErrToken},
		"another key":                   {forge(t, "another secret", hs, body(nil)), account.ErrToken},
		"no key":                        {forge(t, "", hs, body(nil)), account.ErrToken},
		"alg none":                      {part(t, fields{"alg": "none"}) + "." + part(t, body(nil)) + ".", account.ErrToken},
		"alg none, signed":              {forge(t, secret, fields{"alg": "none"}, body(nil)), account.ErrToken},
		"alg NONE":                      {part(t, fields{"alg": "NONE"}) + "." + part(t, body(nil)) + "." + signature, account.ErrToken},
		"alg HS512":                     {forge(t, secret, fields{"alg": "HS512"}, body(nil)), account.ErrToken},
		"alg RS256":                     {forge(t, secret, fields{"alg": "RS256"}, body(nil)), account.ErrToken},
		"no alg":                        {forge(t, secret, fields{"typ": "JWT"}, body(nil)), account.ErrToken},
		"a key of the caller's":         {forge(t, "k", fields{"alg": "HS256", "jwk": fields{"k": "k"}, "kid": "../../dev/null"}, body(nil)), account.ErrToken},
		"altered payload":               {head + "." + part(t, body(fields{"userId": "x"})) + "." + signature, account.ErrToken},
		"no signature":                  {head + "." + payload + ".", account.ErrToken},
		"two parts":                     {head + "." + payload, account.ErrToken},
		"four parts":                    {good + ".x", account.ErrToken},
		"padded":                        {good + "=", account.ErrToken},
		"no expiry":                     {forge(t, secret, hs, body(fields{"exp": nil})), account.ErrToken},
		"expired":                       {forge(t, secret, hs, body(fields{"exp": now - 1})), account.ErrToken},
		"expiry is not a number":        {forge(t, secret, hs, body(fields{"exp": "tomorrow"})), account.ErrToken},
		"no user":                       {forge(t, secret, hs, body(fields{"userId": nil})), account.ErrToken},
		"no address":                    {forge(t, secret, hs, body(fields{"email": nil})), account.ErrToken},
		"a later version":               {forge(t, secret, hs, body(fields{"ver": 1})), account.ErrToken},
		"another user of the address":   {forge(t, secret, hs, body(fields{"userId": "x"})), account.ErrUnknown},
		"unknown address":               {forge(t, secret, hs, body(fields{"email": "x@example.org"})), account.ErrUnknown},
		"empty":                         {"", account.ErrToken},
		"noise":                         {"noise", account.ErrToken},
		"dots":                          {strings.Repeat(".", 5000), account.ErrToken},
		"huge":                          {good + strings.Repeat("x", 5000), account.ErrToken},
		"an empty issuer":               {forge(t, secret, hs, body(fields{"iss": ""})), account.ErrToken},
		"a list of issuers":             {forge(t, secret, hs, body(fields{"iss": []string{"text2image-audio"}})), account.ErrToken},
		"another audience":              {forge(t, secret, hs, body(fields{"aud": "elsewhere"})), account.ErrToken},
		"several audiences":             {forge(t, secret, hs, body(fields{"aud": []string{"text2image-audio", "x"}})), account.ErrToken},
		"not yet":                       {forge(t, secret, hs, body(fields{"nbf": now + 60})), account.ErrToken},
		"expiry is a number as text":    {forge(t, secret, hs, body(fields{"exp": fmt.Sprint(now + 60)})), nil},
		"expiry is a list":              {forge(t, secret, hs, body(fields{"exp": []int64{now + 60}})), account.ErrToken},
		"expiry has a fraction":         {forge(t, secret, hs, body(fields{"exp": float64(now) + 60.5})), nil},
		"expiry in milliseconds":        {forge(t, secret, hs, body(fields{"exp": now * 1000})), account.ErrToken},
		"expiry is huge":                {forge(t, secret, hs, body(fields{"exp": 1e300})), account.ErrToken},
		"expiry is below zero":          {forge(t, secret, hs, body(fields{"exp": -1e300})), account.ErrToken},
		"a claim of JavaScript":         {forge(t, secret, hs, fields{"__proto__": body(nil)}), account.ErrToken},
		"key elsewhere":                 {forge(t, secret, fields{"alg": "HS256", "jku": "http://127.0.0.1:1/", "kid": "' OR 1"}, body(nil)), nil},
		"leading space":                 {" " + good, account.ErrToken},
		"inner space":                   {head + ". " + payload + "." + signature, account.ErrToken},
		"line break":                    {head + "." + payload + "." + signature[:9] + "\n" + signature[9:], account.ErrToken},
		"header twice":                  {head + "." + good, account.ErrToken},
		"oldest format, trailing space": {forgeLegacy(t, secret, body(nil)) + " ", account.ErrToken},
		"oldest format, milliseconds":   {forgeLegacy(t, secret, body(fields{"exp": now * 1000})), account.ErrToken},
		"oldest format, another issuer": {forgeLegacy(t, secret, body(fields{"iss": "x"})), account.ErrToken},
		"oldest format, another key":    {forgeLegacy(t, "another secret", body(nil)), account.ErrToken},
		"oldest format, expired":        {forgeLegacy(t, secret, body(fields{"exp": now - 1})), account.ErrToken},
		"oldest format, no expiry":      {forgeLegacy(t, secret, body(fields{"exp": nil})), account.ErrToken},
		"oldest format, expiry is huge": {forgeLegacy(t, secret, body(fields{"exp": 1e30})), account.ErrToken},
	}
	identify := func(name, token string, want error) {
		t.Helper()
		got, session, err := a.Identify(t.Context(), token)
		if !errors.Is(err, want) || (want == nil && got.ID != u.ID) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
		if want == nil && session.Legacy != (name == "oldest format") {
			t.Errorf("%s: legacy %t", name, session.Legacy)
		}
	}
	for name, c := range cases {
		identify(name, c.token, c.want)
		identify(name, c.token, c.want)
	}
	time.Advance(account.TokenAge)
	for name, c := range cases {
		if c.want == nil {
			identify(name, c.token, account.ErrToken)
		}
	}
}

// TestManyTokens uses more tokens than are remembered.
func TestManyTokens(t *testing.T) {
	t.Parallel()
	a, now := open(t)
	u := register(t, a)
	tokens := make([]string, account.MaxVerified+1)
	for i := range tokens {
		claims := fields{"userId": u.ID, "email": u.Email, "exp": now.Now().Add(time.Hour).Unix(), "jti": fmt.Sprint(i)}
		tokens[i] = forge(t, secret, fields{"alg": "HS256"}, claims)
		_, _, err := a.Identify(t.Context(), tokens[i])
		must(t, err)
	}
	if n := account.Verified(a); n == 0 || n > account.MaxVerified {
		t.Errorf("%d tokens are remembered", n)
	}
	if _, _, err := a.Identify(t.Context(), tokens[0]); err != nil {
		t.Errorf("a forgotten token: %v", err)
	}
}

func cut(token string) (head, payload, signature string) {
	parts := strings.Split(token, ".")
	return parts[0], parts[1], parts[2]
}

func TestOldestFormatCanBeDisabled(t *testing.T) {
	t.Parallel()
	a, now := open(t, func(cfg *account.Config) { cfg.AllowLegacy = false })
	u := register(t, a)
	claims := fields{"userId": u.ID, "email": u.Email, "exp": now.Now().Add(time.Hour).Unix()}
	if _, _, err := a.Identify(t.Context(), forgeLegacy(t, secret, claims)); !errors.Is(err, account.ErrToken) {
		t.Errorf("the oldest format: %v", err)
	}
	if _, _, err := a.Identify(t.Context(), forge(t, secret, fields{"alg": "HS256"}, claims)); err != nil {
		t.Errorf("a token of the Cloudflare system: %v", err)
	}
}

func TestRevocation(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		revoke func(*account.Accounts, *account.User, account.Session) error
		others bool // whether other tokens of the account are revoked as well
		want   error
	}{
		"sign out": {func(a *account.Accounts, u *account.User, s account.Session) error {
			return a.SignOut(t.Context(), u, s, false)
		}, false, account.ErrToken},
		"sign out everywhere": {func(a *account.Accounts, u *account.User, s account.Session) error {
			return a.SignOut(t.Context(), u, s, true)
		}, true, account.ErrToken},
		"new password": {func(a *account.Accounts, u *account.User, _ account.Session) error {
			_, err := a.ChangePassword(t.Context(), u, password, "another one")
			return err
		}, true, account.ErrToken},
		"reset": {func(a *account.Accounts, u *account.User, _ account.Session) error {
			_, secret, err := a.BeginReset(t.Context(), u.Email)
			must(t, err)
			_, err = a.Reset(t.Context(), secret, "another one")
			return err
		}, true, account.ErrToken},
		"delete": {func(a *account.Accounts, u *account.User, _ account.Session) error {
			return a.Delete(t.Context(), u)
		}, true, account.ErrUnknown},
		"delete and sign up again": {func(a *account.Accounts, u *account.User, _ account.Session) error {
			must(t, a.Delete(t.Context(), u))
			_, err := a.Register(t.Context(), "Eve", u.Email, password)
			return err
		}, true, account.ErrUnknown},
		"disable": {func(a *account.Accounts, u *account.User, _ account.Session) error {
			off := *u
			off.IsActive = false
			return a.Put(t.Context(), &off)
		}, true, account.ErrDisabled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, _ := open(t)
			u := register(t, a)
			one, other := token(t, a, u), token(t, a, u)
			_, session, err := a.Identify(t.Context(), one)
			must(t, err)
			must(t, c.revoke(a, u, session))
			if _, _, err := a.Identify(t.Context(), one); !errors.Is(err, c.want) {
				t.Errorf("the token: %v", err)
			}
			_, _, err = a.Identify(t.Context(), other)
			if (err != nil) != c.others {
				t.Errorf("the other token: %v", err)
			}
		})
	}
}

// TestSpellingsOfRevokedTokens uses all equivalent spellings of a revoked token.
func TestSpellingsOfRevokedTokens(t *testing.T) {
	t.Parallel()
	a, now := open(t)
	u := register(t, a)
	claims := fields{"userId": u.ID, "email": u.Email, "exp": now.Now().Add(time.Hour).Unix()}
	old := forgeLegacy(t, secret, claims)
	for name, token := range map[string]string{"ours": token(t, a, u), "oldest format": old} {
		_, session, err := a.Identify(t.Context(), token)
		must(t, err)
		must(t, a.SignOut(t.Context(), u, session, false))
		bare := strings.TrimRight(token, "=")
		for _, other := range []string{token, bare, bare + "=", bare + "==", bare + "===", token + "\n", bare[:len(bare)-3] + "\r\n" + bare[len(bare)-3:]} {
			if _, _, err := a.Identify(t.Context(), other); !errors.Is(err, account.ErrToken) {
				t.Errorf("%s as %q: %v", name, other[len(bare)-6:], err)
			}
		}
	}
}

func TestMaxSignedOut(t *testing.T) {
	t.Parallel()
	a, now := open(t)
	u := register(t, a)
	first := token(t, a, u)
	for range account.MaxSignedOut + 1 {
		_, session, err := a.Identify(t.Context(), token(t, a, u))
		must(t, err)
		must(t, a.SignOut(t.Context(), u, session, false))
	}
	if _, _, err := a.Identify(t.Context(), first); !errors.Is(err, account.ErrToken) {
		t.Errorf("not all tokens are revoked after MaxSignedOut: %v", err)
	}
	u, err := a.Read(t.Context(), u.Email)
	must(t, err)
	for range 2 {
		_, session, err := a.Identify(t.Context(), token(t, a, u))
		must(t, err)
		must(t, a.SignOut(t.Context(), u, session, false))
		now.Advance(account.TokenAge + time.Minute)
	}
	if u, err = a.Read(t.Context(), u.Email); err != nil || len(u.SignedOut) != 1 {
		t.Errorf("expired tokens are kept: %+v, %v", u, err)
	}
}

func FuzzTokens(f *testing.F) {
	a, now := open(f)
	u := register(f, a)
	claims := fields{"userId": u.ID, "email": u.Email, "exp": now.Now().Add(time.Hour).Unix()}
	good := token(f, a, u)
	for _, seed := range []string{"", ".", "..", good, forgeLegacy(f, secret, claims), forge(f, "k", fields{"alg": "none"}, claims), good + "."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, given string) {
		// The padding of the oldest format is optional.
		isOld := strings.TrimRight(given, "=") == strings.TrimRight(forgeLegacy(t, secret, claims), "=")
		if _, _, err := a.Identify(t.Context(), given); err == nil && given != good && !isOld {
			t.Errorf("%q is accepted", given)
		} else if err != nil && given != "" && len(given) > 8 && strings.Contains(err.Error(), given) {
			t.Errorf("the error contains the token: %v", err)
		}
	})
}

func FuzzResetTokens(f *testing.F) {
	a, _ := open(f)
	register(f, a)
	_, good, err := a.BeginReset(f.Context(), email)
	must(f, err)
	for _, seed := range []string{"", "x", good[:len(good)-1], good + "=", good + "\n", good[:len(good)-1] + "_", strings.Repeat("A", len(good)), "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, given string) {
		// The decoder ignores line breaks.
		if strings.NewReplacer("\r", "", "\n", "").Replace(given) == good {
			return
		}
		if _, err := a.Reset(t.Context(), given, password); !errors.Is(err, account.ErrReset) {
			t.Errorf("%q: %v", given, err)
		}
	})
}
