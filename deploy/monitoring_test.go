package deploy_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// metrics returns the names of all metrics of the programs, and for histograms those of their series.
func metrics(t *testing.T) []string {
	t.Helper()
	m := telemetry.NewMetrics()
	must(t, m.RegisterQueue(nil))
	must(t, m.RegisterDeadLetters(nil))
	descs := make(chan *prometheus.Desc)
	go func() {
		m.Registry.Describe(descs)
		close(descs)
	}()
	var names []string
	for d := range descs {
		_, rest, _ := strings.Cut(d.String(), `fqName: "`)
		name, _, _ := strings.Cut(rest, `"`)
		names = append(names, name, name+"_bucket", name+"_sum", name+"_count")
	}
	return names
}

// TestDashboardAndRulesUseRealMetrics looks for every metric of ours that the dashboard and the alerts name.
func TestDashboardAndRulesUseRealMetrics(t *testing.T) {
	t.Parallel()
	known := metrics(t)
	named := regexp.MustCompile(`text2image_\w+`)
	for _, file := range []string{"grafana/dashboards/overview.json", "prometheus/rules.yml"} {
		found := named.FindAllString(read(t, file), -1)
		if len(found) < 5 {
			t.Errorf("%s names %d metrics", file, len(found))
		}
		for _, name := range found {
			if !slices.Contains(known, name) {
				t.Errorf("%s: there is no metric %s", file, name)
			}
		}
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	must(t, json.Unmarshal([]byte(read(t, "grafana/dashboards/overview.json")), &dashboard))
	for _, panel := range dashboard.Panels {
		if panel.Title == "" || len(panel.Targets) == 0 || panel.Targets[0].Expr == "" {
			t.Errorf("a panel is empty: %+v", panel)
		}
	}
}
