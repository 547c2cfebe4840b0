//go:build unix

package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// natsServer is the nats-server at the version in go.mod.
const natsServer = "github.com/nats-io/nats-server/v2"

// programs holds the paths of the built programs.
type programs struct{ api, synclog, worker, nats string }

// build builds the programs as `make build` does, to share its cache, or with the race detector.
func build(ctx context.Context, cfg Config, dir string) (programs, error) {
	p := programs{
		api: filepath.Join(dir, "api"), synclog: filepath.Join(dir, "synclog"), worker: filepath.Join(dir, "worker"), nats: filepath.Join(dir, "nats-server"),
	}
	type target struct {
		out, of string
		race    bool
	}
	targets := []target{{p.api, "./api", cfg.Race}, {p.worker, "./worker", cfg.Race}, {p.nats, natsServer, false}}
	if cfg.embedded() {
		targets = []target{{p.synclog, "./api/synclog", cfg.Race}}
	}
	for _, b := range targets {
		args, cgo := []string{"build", "-trimpath", "-buildvcs=false", "-o", b.out}, "CGO_ENABLED=0"
		if b.race {
			args, cgo = append(args, "-race"), "CGO_ENABLED=1"
		}
		cmd := exec.CommandContext(ctx, "go", append(args, b.of)...) //nolint:gosec // The names are constants.
		cmd.Dir = cfg.Module
		cmd.Env = append(os.Environ(), cgo) //nolint:forbidigo // The toolchain needs its own environment.
		if out, err := cmd.CombinedOutput(); err != nil {
			return programs{}, fmt.Errorf("build %s: %w\n%s", b.of, err, out)
		}
	}
	return p, nil
}
