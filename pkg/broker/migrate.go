package broker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Migration limits what Migrate may do.
type Migration struct {
	// DryRun lists the changes without making them.
	DryRun bool
	// Recreate names the streams that may be deleted with their messages, where NATS cannot change them.
	Recreate []string
}

// ErrRecreate is returned by Migrate when NATS cannot change a stream that holds messages, and Migration.Recreate does not
// name it.
var ErrRecreate = errors.New("the stream must be recreated, which deletes its messages")

// Migrate makes the irreversible changes to streams, which Open refuses to make, and returns them. A dry run returns them
// without making them. The previous version may no longer start afterwards. All other changes, in particular those by the
// operator's settings, are left to Open.
//
// It opens the store in DATA_DIR, handling damage as every start does, or connects to the external NATS, and fails as Open
// does. No other process may run on either. It can be repeated after a failure.
func Migrate(ctx context.Context, cfg Config, m Migration, log *slog.Logger) (done []Change, err error) {
	cfg = cfg.withDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Embedded() {
		if _, err := os.Stat(filepath.Join(cfg.DataDir, storeDir)); errors.Is(err, fs.ErrNotExist) {
			return nil, nil // There is no store, and none is created.
		}
	}
	b := newBroker(cfg, log)
	defer func() { err = errors.Join(err, b.Close(context.WithoutCancel(ctx))) }()
	if err := b.dial(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, declareTimeout)
	defer cancel()
	if err := b.checkStore(ctx); err != nil {
		return nil, err
	}
	var steps []step
	err = retry(ctx, func(ctx context.Context) (err error) {
		steps, err = plan(ctx, b.js, cfg)
		return err
	})
	if err != nil {
		return nil, err
	}
	steps = slices.DeleteFunc(steps, func(s step) bool { return !s.irreversible() })
	for _, s := range steps {
		done = append(done, s.Change)
	}
	if m.DryRun {
		return done, nil
	}
	for _, s := range steps {
		if s.Action == ActionRecreate && s.Messages > 0 && !slices.Contains(m.Recreate, s.name) {
			return nil, fmt.Errorf("%w: NATS cannot change %s (%s), which is not empty (messages: %d); nothing was changed",
				ErrRecreate, s.Target, strings.Join(s.Settings, ", "), s.Messages)
		}
	}
	for i, s := range steps {
		if err := retry(ctx, s.apply); err != nil {
			return done[:i], fmt.Errorf("%s %s: %w", s.Action, s.Target, err)
		}
	}
	if b.embedded != nil && len(steps) > 0 {
		b.recordStore()
	}
	return done, nil
}
