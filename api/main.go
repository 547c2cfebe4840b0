// The program api serves the HTTP API and the page. Without NATS_URL it is the whole system: NATS, a worker and, if no upstream
// is configured, the simulator run in the same process.
package main

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

const (
	exitFailure = 1
	exitUsage   = 2
)

// contract is the OpenAPI document served at /openapi.yaml and /openapi.json.
//
//go:embed openapi.yaml
var contract []byte

const usage = `usage: api [command]

  serve     serve the API and the page (the default)
  submit    make images or texts; "api submit -h" shows examples
  speak     turn a text into speech; "api speak -h" shows examples
  watch     show the progress of a job until it ends, and save the result
  list      list your jobs
  cancel    cancel jobs
  usage     show what your jobs have cost
  keys      create, list and revoke your API keys; "api keys -h" shows examples
  health    check the health of a running API; "api health -h" lists the flags
  dead      list, show, replay and purge dead letters; "api dead -h" lists the commands
  feedback  list feedback, mark it as processed and delete it; "api feedback -h" lists the commands
  status    show the circuit breakers of the upstreams, paused kinds of job, and runtime switches
  pause     stop starting jobs of a kind for a while; "api pause -h" lists the flags
  resume    start jobs of a paused kind again
  probe     let the next job try an upstream whose circuit breaker is open
  log-level
            show or change the log level of all processes without a restart; "api log-level -h" lists the flags
  metrics   show or change whether metrics are served, without a restart; "api metrics -h" lists the flags
  accept    show or change whether new jobs are accepted; "api accept -h" lists the flags
  deployments
            list the builds that were started, with time and host
  backup    write all stored data to one file while the system runs; "api backup -h" lists the flags
  restore   restore a backup into an empty store; "api restore -h" lists the flags
  import    import accounts, feedback and images from Cloudflare; "api import -h" lists the flags
  migrate   change stored streams in ways that cannot be undone; "api migrate -h" explains when
  version   print version, commit, build time and Go version

Settings are environment variables; deploy/settings.md lists them.
`

func main() {
	ctx := lifecycle.UntilSignal(context.Background())
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	command := "serve"
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	if execute, known := commands()[command]; known {
		return execute(ctx, args, environ, stdout, stderr)
	}
	switch command {
	case "version", "-v", "-version", "--version":
		version, commit, built := telemetry.Version()
		_, _ = fmt.Fprintf(stdout, "api %s, commit %s, built %s, %s\n", version, commit, built, runtime.Version())
		return 0
	case "help", "-h", "-help", "--help":
		_, _ = fmt.Fprint(stdout, usage)
		return 0
	}
	_, _ = fmt.Fprintf(stderr, "api: unknown command %q\n\n%s", command, usage)
	return exitUsage
}

// execFunc runs a subcommand and returns the exit status: 0 on success, 1 on failure, 2 on incorrect usage.
type execFunc func(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int

// commands returns the subcommands by name.
func commands() map[string]execFunc {
	all := map[string]execFunc{
		"serve": serveCommand, "health": healthCommand, "dead": deadCommand, "feedback": feedbackCommand, "keys": keysCommand,
		"backup": backupCommand, "restore": restoreCommand, "import": importCommand, "migrate": migrateCommand,
	}
	for name, c := range map[string]callerCommand{
		"submit": submitCommand, "speak": speakCommand, "watch": watchCommand, "list": listCommand, "cancel": cancelCommand,
		"usage": usageCommand,
	} {
		all[name] = func(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
			return c.exec(ctx, name, args, environ, stdout, stderr)
		}
	}
	for name, c := range map[string]operationCommand{
		"status": statusCommand, "pause": pauseCommand, "resume": resumeCommand, "probe": probeCommand, "deployments": deploymentsCommand,
		"log-level": switchCommand(control.SwitchLogLevel, logLevelUsage),
		"metrics":   switchCommand(control.SwitchMetrics, metricsUsage),
		"accept":    switchCommand(control.SwitchAccept, acceptUsage),
	} {
		all[name] = func(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
			return c.exec(ctx, name, args, environ, stdout, stderr)
		}
	}
	return all
}
