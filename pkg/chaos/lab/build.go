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
type programs struct{ api, worker, nats string }

// build builds the programs as `make build` does, to share its cache, or with the race detector.
func build(ctx context.Context, cfg Config, dir string) (programs, error) {
	p := programs{api: filepath.Join(dir, "api"), worker: filepath.Join(dir, "worker"), nats: filepath.Join(dir, "nats-server")}
	for _, b := range []struct {
		out, of string
		race    bool
	}{{p.api, "./api", cfg.Race}, {p.worker, "./worker", cfg.Race}, {p.nats, natsServer, false}} {
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
