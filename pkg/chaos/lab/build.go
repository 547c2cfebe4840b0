//go:build unix

package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// natsServer is the nats-server of the version that go.mod names.
const natsServer = "github.com/nats-io/nats-server/v2"

// programs are the paths of what was built.
type programs struct{ api, worker, nats string }

// build builds the programs as `make build` does, so that it finds them half done, or with the race detector.
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
		cmd := exec.CommandContext(ctx, "go", append(args, b.of)...) //nolint:gosec // Names of our own.
		cmd.Dir = cfg.Module
		cmd.Env = append(os.Environ(), cgo) //nolint:forbidigo // The toolchain needs its own environment.
		if out, err := cmd.CombinedOutput(); err != nil {
			return programs{}, fmt.Errorf("build %s: %w\n%s", b.of, err, out)
		}
	}
	return p, nil
}
