package app

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// banner prints the URL of the page, where data is stored and which services are used. It is for the person at the terminal:
// it is printed at every log level and is not part of the log.
func (a *App) banner(out io.Writer) {
	version, commit, built := telemetry.Version()
	lines := [][2]string{{"page and API", a.URL()}}
	if a.cfg.Broker.Embedded() {
		lines = append(lines, [2]string{"data", absolute(a.cfg.Broker.DataDir)})
		nats := "embedded, no port (NATS_LISTEN opens one)"
		if url := a.broker.ClientURL(); url != "" {
			nats = "embedded, open to workers at " + url
		}
		lines = append(lines, [2]string{"NATS", nats})
		if path := a.broker.Config().WorkerKeyPath(); path != "" {
			lines = append(lines, [2]string{"worker key", absolute(path) + " (a worker on this machine finds it in DATA_DIR; elsewhere set NATS_CREDS)"})
		}
		lines = append(lines, [2]string{"upstream", a.cfg.Worker.Upstreams.Describe()})
		if s := a.Simulator(); s != nil {
			lines = append(lines, [2]string{"simulator", s.URL()})
		}
	} else {
		lines = append(lines,
			[2]string{"NATS", a.broker.Conn().ConnectedUrlRedacted()},
			[2]string{"upstream", "configured on the workers; this process runs none"},
		)
	}
	if a.cfg.Telemetry.MetricsEnabled {
		lines = append(lines, [2]string{"metrics", "http://" + a.cfg.Telemetry.MetricsAddr + "/metrics"})
	}
	_, _ = fmt.Fprintf(out, "Text2Image Audio %s, commit %s, built %s\n", version, commit, built)
	for _, line := range lines {
		_, _ = fmt.Fprintf(out, "  %-13s %s\n", line[0], line[1])
	}
	_, _ = fmt.Fprintln(out, "Ready. Press Ctrl-C to stop; accepted jobs are kept.")
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
