package deploy_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// metrics returns the names of all metrics, and for histograms those of their series.
func metrics(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, d := range descriptions(t) {
		names = append(names, d.Name)
		if d.Type == "histogram" {
			names = append(names, d.Name+"_bucket", d.Name+"_sum", d.Name+"_count")
		}
	}
	return names
}

// TestQueriesUseRealMetrics checks that all metrics in the dashboard, the rules and the guides exist.
func TestQueriesUseRealMetrics(t *testing.T) {
	t.Parallel()
	known := metrics(t)
	named := regexp.MustCompile(`text2image_\w+`)
	for _, file := range []string{
		"grafana/dashboards/overview.json", "prometheus/rules.yml", "prometheus/rules_test.yml", "prometheus/slo.yml", "prometheus/slo_test.yml",
		"prometheus/slo_slow_test.yml", "monitoring.md", "monitoring.zh-CN.md",
	} {
		found := named.FindAllString(read(t, file), -1)
		if len(found) < 4 {
			t.Errorf("%s names %d metrics", file, len(found))
		}
		for _, name := range found {
			if !slices.Contains(known, name) {
				t.Errorf("%s: metric %s does not exist", file, name)
			}
		}
	}
}

// panel is a panel of the dashboard, or a row.
type panel struct {
	ID      int
	Title   string
	Type    string
	GridPos struct{ X, Y, W, H int }
	Targets []struct{ Expr string }
}

func panels(t *testing.T) []panel {
	t.Helper()
	var dashboard struct{ Panels []panel }
	must(t, json.Unmarshal([]byte(read(t, "grafana/dashboards/overview.json")), &dashboard))
	return dashboard.Panels
}

func TestDashboard(t *testing.T) {
	t.Parallel()
	shared := map[string]bool{}
	for _, d := range descriptions(t) {
		shared[d.Name] = strings.Contains(d.Help, "max, not sum")
	}
	ids := map[int]bool{}
	var rows []string
	for _, p := range panels(t) {
		if p.Title == "" || ids[p.ID] || p.GridPos.W == 0 || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("a panel has no title, a position outside the grid, or a duplicate ID: %+v", p)
		}
		ids[p.ID] = true
		if p.Type == "row" {
			rows = append(rows, p.Title)
			continue
		}
		if len(p.Targets) == 0 {
			t.Errorf("%s has no query", p.Title)
		}
		for _, target := range p.Targets {
			for _, name := range regexp.MustCompile(`text2image_\w+`).FindAllString(target.Expr, -1) {
				if shared[name] && !regexp.MustCompile(`max(?: by \([a-z, ]+\))? ?\(`+name).MatchString(target.Expr) {
					t.Errorf("%s: %s is exported by several processes and not aggregated with max: %s", p.Title, name, target.Expr)
				}
			}
		}
	}
	if want := []string{"Traffic", "Queue", "Workers and upstreams", "Results", "NATS and store", "Process"}; !slices.Equal(rows, want) {
		t.Errorf("the rows are %q", rows)
	}
}

// rule is a rule of Prometheus.
type rule struct {
	Record      string            `yaml:"record"`
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

func rules(t *testing.T) []rule {
	t.Helper()
	var all []rule
	for _, file := range []string{"prometheus/rules.yml", "prometheus/slo.yml"} {
		var content struct {
			Groups []struct {
				Rules []rule `yaml:"rules"`
			} `yaml:"groups"`
		}
		must(t, yaml.Unmarshal([]byte(read(t, file)), &content))
		for _, group := range content.Groups {
			all = append(all, group.Rules...)
		}
	}
	return all
}

// runbookURL is the prefix of links to the sections of alerts.
const runbookURL = "https://github.com/text2image-audio/text2image-audio/blob/main/deploy/runbook.md#"

// TestAlerts checks that every alert has a severity, texts, a section in the runbook, and tests that show it firing and not
// firing.
func TestAlerts(t *testing.T) {
	t.Parallel()
	firing, silent := map[string]bool{}, map[string]bool{}
	for _, file := range []string{"prometheus/rules_test.yml", "prometheus/slo_test.yml", "prometheus/slo_slow_test.yml"} {
		var content struct {
			Tests []struct {
				Alerts []struct {
					Name   string `yaml:"alertname"`
					Expect []any  `yaml:"exp_alerts"`
				} `yaml:"alert_rule_test"`
			} `yaml:"tests"`
		}
		must(t, yaml.Unmarshal([]byte(read(t, file)), &content))
		for _, test := range content.Tests {
			for _, a := range test.Alerts {
				if len(a.Expect) > 0 {
					firing[a.Name] = true
				} else {
					silent[a.Name] = true
				}
			}
		}
	}
	runbook, err := os.ReadFile("runbook.md")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, r := range rules(t) {
		if r.Alert == "" {
			continue
		}
		if seen[r.Alert] {
			t.Errorf("%s is defined twice", r.Alert)
		}
		seen[r.Alert] = true
		if s := r.Labels["severity"]; s != "page" && s != "ticket" {
			t.Errorf("%s: the severity is %q", r.Alert, s)
		}
		if r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
			t.Errorf("%s: no summary or no description", r.Alert)
		}
		if got, want := r.Annotations["runbook_url"], runbookURL+strings.ToLower(r.Alert); got != want {
			t.Errorf("%s: the runbook is at %q, not %q", r.Alert, got, want)
		}
		if !firing[r.Alert] || !silent[r.Alert] {
			t.Errorf("%s: tests show it firing: %t, not firing: %t", r.Alert, firing[r.Alert], silent[r.Alert])
		}
		// The runbook may not be written yet.
		if err == nil && !strings.Contains("\n"+string(runbook), "\n### "+r.Alert+"\n") {
			t.Errorf("%s: deploy/runbook.md has no section ### %s", r.Alert, r.Alert)
		}
	}
	if len(seen) < 20 {
		t.Errorf("there are %d alerts", len(seen))
	}
}
