package server

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"log/slog"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/keys"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/ratelimit"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
	"github.com/text2image-audio/text2image-audio/pkg/apikey"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

const (
	// maxKeyGuesses is how many wrong keys one client may send within keyGuessWindow.
	maxKeyGuesses  = 10
	keyGuessWindow = time.Minute
)

// operator admits operators and logs what they do.
type operator struct {
	key env.Secret
	// keyID identifies the key in logs. Without the installation's secret it reveals nothing about the key.
	keyID    string
	guesses  *ratelimit.Limiter
	sessions *session.Sessions
	problems *problem.Writer
	// log is the audit log, which ignores LOG_LEVEL.
	log *slog.Logger
}

func newOperator(
	key env.Secret, derived keys.Keys, sessions *session.Sessions, problems *problem.Writer, now func() time.Time, log *slog.Logger,
) *operator {
	return &operator{
		key: key, keyID: hex.EncodeToString(keys.Sum(derived.AdminKeyID, key.Reveal())[:4]), guesses: ratelimit.New(now, maxKeyGuesses, keyGuessWindow),
		sessions: sessions, problems: problems, log: telemetry.Audit(log),
	}
}

// operatorOnly admits requests with ADMIN_KEY or an API key of the operator, as a Bearer token or in X-Admin-Key, but not in the URL,
// which proxies log. If ADMIN_KEY is not set it admits none. A client that has sent too many wrong keys is rejected even with the right one:
// otherwise a correct guess would still succeed.
func (o *operator) operatorOnly(c *gin.Context) { o.admitOperator(c, operatorKeys(c), 0) }

// admitOperator admits a request if one of the given keys is right. Otherwise it responds with the given status, or with the
// status of the code if that is 0.
func (o *operator) admitOperator(c *gin.Context, given []string, status int) {
	c.Header("Cache-Control", "no-store")
	respond.Vary(c, "Accept-Language", "Authorization", "X-Admin-Key")
	want := o.key.Reveal()
	if want == "" {
		o.problems.Write(c, problem.New(problem.CodeAdminDisabled))
		return
	}
	address := c.ClientIP()
	if wait := o.guesses.Wait(ratelimit.ClientKey(address)); wait > 0 {
		o.problems.Write(c, tooManyGuesses(wait))
		return
	}
	var refusal error = &problem.Problem{Code: problem.CodeAdminKey, Status: status}
	c.Header("WWW-Authenticate", `Bearer realm="operator"`)
	for _, key := range given {
		if isKey(key, want) {
			c.Writer.Header().Del("WWW-Authenticate")
			return
		}
		if !apikey.Looks(key) {
			continue
		}
		err := o.admitAPIKey(c, key)
		if err == nil {
			c.Writer.Header().Del("WWW-Authenticate")
			return
		}
		if p, ok := errors.AsType[*problem.Problem](err); !ok || p.Code != problem.CodeAPIKey {
			o.problems.Write(c, err)
			return
		}
		refusal = err
	}
	if len(given) > 0 {
		wait := o.guesses.Take(ratelimit.ClientKey(address))
		o.log.WarnContext(c.Request.Context(), "operator action",
			slog.String("act", c.Request.Method+" "+routeOf(c)), slog.String("outcome", "refused"), slog.String("address", address))
		if wait > 0 {
			o.problems.Write(c, tooManyGuesses(wait))
			return
		}
	}
	o.problems.Write(c, refusal)
}

func tooManyGuesses(wait time.Duration) *problem.Problem {
	return &problem.Problem{Code: problem.CodeTooManyGuesses, RetryAfter: problem.Seconds(wait)}
}

// operatorKeys returns the keys in the headers of a request.
func operatorKeys(c *gin.Context) []string {
	var keys []string
	if key := c.GetHeader("X-Admin-Key"); key != "" {
		keys = append(keys, key)
	}
	if token, ok := session.BearerToken(c.Request); ok {
		keys = append(keys, token)
	}
	return keys
}

// isKey reports whether two keys are equal, in constant time.
func isKey(given, want string) bool {
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// audit logs an action of an operator. ctx holds the ids of the request and the job.
func (o *operator) audit(ctx context.Context, c *gin.Context, act string, err error, attrs ...slog.Attr) {
	level, outcome := slog.LevelInfo, "done"
	if err != nil {
		level, outcome = slog.LevelWarn, "failed"
		attrs = append(attrs, slog.String("code", o.problems.ToProblem(ctx, err).Code))
	}
	attrs = append([]slog.Attr{
		slog.String("act", act), slog.String("outcome", outcome), slog.String("address", c.ClientIP()), slog.String("key", o.keyIDOf(c)),
	}, attrs...)
	o.log.LogAttrs(ctx, level, "operator action", attrs...)
}
