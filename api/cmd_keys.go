package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/text2image-audio/text2image-audio/pkg/client"
)

const keysUsage = `usage: api keys list|create|revoke [flags]

Manages the API keys of your account, with which programs act as you.

  api keys create "nightly build" --scopes submit,read --expires-in 720h --per-day 50
  api keys list
  api keys revoke key_3f9a0c51d27e48b6a1c09d52

No API key can manage API keys: the commands sign in with T2I_EMAIL and T2I_PASSWORD, or ask for the password on a terminal, and sign
out at the end. "api keys create -h" and the like list the flags.
`

// keysCommand runs the subcommand that the first argument names.
func keysCommand(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	commands := map[string]callerCommand{"list": keysListCommand, "create": keysCreateCommand, "revoke": keysRevokeCommand}
	if len(args) == 0 {
		_, _ = fmt.Fprint(stderr, keysUsage)
		return exitUsage
	}
	if args[0] == "-h" || args[0] == "--help" || args[0] == "help" {
		_, _ = fmt.Fprint(stdout, keysUsage)
		return 0
	}
	command, known := commands[args[0]]
	if !known {
		_, _ = fmt.Fprintf(stderr, "api keys: unknown command %q\n\n%s", args[0], keysUsage)
		return exitUsage
	}
	return command.exec(ctx, "keys "+args[0], args[1:], environ, stdout, stderr)
}

// keysEnd ends the usage of the commands that manage API keys.
const keysEnd = `
Signs in at T2I_URL with T2I_EMAIL and T2I_PASSWORD, or asks for the password on a terminal. Exit status: 0 on success, 1 if a request
failed, 2 on incorrect usage.
`

var keysListCommand = callerCommand{
	usage: `usage: api keys list [flags]

Lists your API keys, without their secrets.

  api keys list
  api keys list -o json
` + keysEnd,
	bind: func(*flag.FlagSet) func(context.Context, *caller, []string) error {
		return func(ctx context.Context, c *caller, args []string) error {
			if len(args) != 0 {
				return usageError("api keys list takes no arguments")
			}
			return c.asMember(ctx, func(member *client.Client) error {
				keys, err := member.Keys(ctx)
				if err != nil {
					return err
				}
				for _, k := range keys {
					if err := c.showKey(k); err != nil {
						return err
					}
				}
				return nil
			})
		}
	},
}

var keysCreateCommand = callerCommand{
	usage: `usage: api keys create [flags] NAME

Creates an API key and prints it. It cannot be shown again.

  api keys create "nightly build"
  api keys create "nightly build" --scopes read --expires-in 720h --per-day 50
  T2I_API_KEY=$(api keys create laptop --scopes submit,read)
` + keysEnd,
	bind: func(flags *flag.FlagSet) func(context.Context, *caller, []string) error {
		r := client.KeyRequest{}
		scopes := flags.String("scopes", "submit,read", "what the key permits: submit, read, or both")
		expires := flags.Duration("expires-in", 0, "how long the key is valid, such as 720h; until it is revoked if 0")
		flags.IntVar(&r.PerMinute, "per-minute", 0, "quota of the key per minute; that of the account if 0")
		flags.IntVar(&r.PerDay, "per-day", 0, "quota of the key per day; that of the account if 0")
		flags.IntVar(&r.MaxActive, "max-active", 0, "jobs of the key that may be queued or running at once; as the account if 0")
		flags.StringVar(&r.BudgetPerDay, "budget-per-day", "", "what jobs of the key may cost per day, such as 1.5; as the account if empty")
		flags.StringVar(&r.BudgetPerMonth, "budget-per-month", "", "the same per month")
		return func(ctx context.Context, c *caller, args []string) error {
			if len(args) != 1 {
				return usageError("give one name, in quotes")
			}
			if *expires != 0 && *expires < time.Second {
				return usageError("--expires-in must be at least 1s")
			}
			r.Name, r.Scopes, r.ExpiresIn = args[0], strings.Split(*scopes, ","), int(expires.Seconds())
			return c.asMember(ctx, func(member *client.Client) error {
				k, err := member.CreateKey(ctx, r)
				if err != nil {
					return err
				}
				if c.json {
					return c.showKey(k)
				}
				_, _ = fmt.Fprintf(c.stderr, "key %s for %s; it cannot be shown again\n", printable(k.ID), printable(k.Name))
				_, err = fmt.Fprintln(c.stdout, printable(k.Secret))
				return err
			})
		}
	},
}

var keysRevokeCommand = callerCommand{
	usage: `usage: api keys revoke [flags] ID...

Revokes API keys. The server rejects them within a second.

  api keys revoke key_3f9a0c51d27e48b6a1c09d52
` + keysEnd,
	bind: func(*flag.FlagSet) func(context.Context, *caller, []string) error {
		return func(ctx context.Context, c *caller, ids []string) error {
			if len(ids) == 0 {
				return usageError("give the IDs of keys, as api keys list shows them")
			}
			return c.asMember(ctx, func(member *client.Client) error {
				for _, id := range ids {
					if err := member.RevokeKey(ctx, id); err != nil {
						return fmt.Errorf("key %s: %w", id, err)
					}
					_, _ = fmt.Fprintf(c.stderr, "key %s is revoked\n", printable(id))
				}
				return nil
			})
		}
	},
}

// showKey prints a key as JSON or on one line.
func (c *caller) showKey(k *client.Key) error {
	if c.json {
		data, err := json.Marshal(k) //nolint:gosec // A new key is shown once, to who has created it.
		if err != nil {
			return fmt.Errorf("encode key: %w", err)
		}
		_, err = fmt.Fprintf(c.stdout, "%s\n", data)
		return err
	}
	day := func(t *time.Time) string {
		if t == nil {
			return "never"
		}
		return t.UTC().Format("2006-01-02")
	}
	_, err := fmt.Fprintf(c.stdout, "%s  %s  %-11s  expires %-10s  used %-10s%s  %s\n", printable(k.ID), printable(k.Shown),
		printable(strings.Join(k.Scopes, ",")), day(k.ExpiresAt), day(k.LastUsedAt), limitsOf(k), printable(k.Name))
	return err
}

// limitsOf returns the limits of a key in a few words.
func limitsOf(k *client.Key) string {
	text := ""
	for _, limit := range []struct {
		n    *int
		unit string
	}{{k.PerMinute, "/min"}, {k.PerDay, "/day"}, {k.MaxActive, " active"}} {
		if limit.n != nil {
			text += "  " + strconv.Itoa(*limit.n) + limit.unit
		}
	}
	for _, budget := range []struct {
		amount *string
		unit   string
	}{{k.BudgetPerDay, " a day"}, {k.BudgetPerMonth, " a month"}} {
		if budget.amount != nil {
			text += "  costs up to " + printable(*budget.amount) + budget.unit
		}
	}
	return text
}

// signOutTimeout bounds the sign-out of a command that was interrupted.
const signOutTimeout = 5 * time.Second

// asMember signs in, acts as the member, and signs out, so that the token cannot be used by others. T2I_API_KEY may be a token.
func (c *caller) asMember(ctx context.Context, act func(*client.Client) error) error {
	if key := c.config.Key.Reveal(); key != "" && !strings.HasPrefix(key, "t2i_") {
		return act(c.Client)
	}
	if c.config.Email == "" {
		return usageError("no API key can manage API keys; set T2I_EMAIL and T2I_PASSWORD to sign in")
	}
	password, err := c.password()
	if err != nil {
		return err
	}
	member, err := c.SignIn(ctx, c.config.Email, password)
	if err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	err = act(member)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), signOutTimeout)
	defer cancel()
	if out := member.SignOut(ctx); out != nil {
		_, _ = fmt.Fprintf(c.stderr, "sign out: %s\n", explain(out))
	}
	return err
}

// password returns T2I_PASSWORD, or what is typed on the terminal.
func (c *caller) password() (string, error) {
	if password := c.config.Password.Reveal(); password != "" {
		return password, nil
	}
	terminal := int(os.Stdin.Fd())
	if !term.IsTerminal(terminal) {
		return "", usageError("set T2I_PASSWORD or T2I_PASSWORD_FILE, or use a terminal")
	}
	_, _ = fmt.Fprintf(c.stderr, "password of %s: ", printable(c.config.Email))
	typed, err := term.ReadPassword(terminal)
	_, _ = fmt.Fprintln(c.stderr)
	if err != nil {
		return "", errors.New("the password could not be read")
	}
	return string(typed), nil
}
