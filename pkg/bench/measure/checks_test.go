//go:build linux

package measure_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/bench/measure"
)

// TestVerify checks that a result that is missing, incomplete or wrong is found.
func TestVerify(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/jobs/{id}", func(w http.ResponseWriter, r *http.Request) {
		status := map[string]string{"good": "succeeded", "short": "succeeded", "bad": "failed", "late": "queued"}[r.PathValue("id")]
		if status == "" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = fmt.Fprintf(w, `{"id":%q,"status":%q}`, r.PathValue("id"), status)
	})
	mux.HandleFunc("GET /api/jobs/{id}/media/0", func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(make([]byte, map[string]int{"good": 10}[r.PathValue("id")]))
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	for ids, want := range map[string]string{
		"good": "", "good bad": "status failed", "late": "status queued", "missing": "404", "short": "0 bytes, not 10", "good good": "twice",
	} {
		err := measure.Verify(t.Context(), server.URL, 10, strings.Fields(ids)...)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", ids, err)
		}
	}
	server.CloseClientConnections()
}

func TestReadEvents(t *testing.T) {
	t.Parallel()
	long := "data: " + strings.Repeat("x", 5000) + "\n\n"
	for events, want := range map[string]struct{ ended, fails bool }{
		"event: queued\n" + long + ": comment\n\nevent: succeeded\n" + long: {true, false},
		"event: queued\n" + long:                        {false, false},
		"event: running\n" + long + "event: failed\n":   {false, true},
		"event: running\n" + long + "event: canceled\n": {false, true},
	} {
		end, err := measure.ReadEvents(strings.NewReader(events))
		if end.IsZero() == want.ended || (err != nil) != want.fails {
			t.Errorf("%.40q: %v, %v", events, end, err)
		}
	}
}

func TestFigures(t *testing.T) {
	t.Parallel()
	total, err := measure.Sum(strings.NewReader("# HELP a_total x\na_total{k=\"1 2\"} 3\na_total 1e2\na_total_other 9\n"), "a_total")
	if err != nil || total != 103 {
		t.Error(total, err)
	}
	times := []time.Duration{4, 1, 3, 2}
	for percent, want := range map[float64]time.Duration{50: 2, 75: 3, 99: 4, 1: 1} {
		if got := measure.Percentile(times, percent); got != want {
			t.Errorf("p%g is %d, want %d", percent, got, want)
		}
	}
	run := func(value, ceiling float64) []measure.Row {
		return []measure.Row{{Measurement: "m", Name: "n", Value: value, Ceilings: []measure.Ceiling{{Name: "c", Value: ceiling, Ratio: value / ceiling}}}}
	}
	// The ratio of the medians would be 1.
	row := measure.Medians(run(1, 4), run(2, 1), run(9, 2))[0]
	if c := row.Ceilings[0]; row.Value != 2 || c.Value != 2 || c.Ratio != 2 {
		t.Errorf("%+v", row)
	}
	report := measure.Report{CPUs: 2, Scale: 1, Runs: 3, Rows: append(run(1, 4), measure.Row{Measurement: "m", Name: "bare", Value: 1234.5, Unit: "B"})}
	lines := strings.Split(report.String(), "\n")
	if len(lines) < 3 || strings.Index(lines[0], "unit") != strings.Index(lines[2], "B") || !strings.Contains(lines[1], "0.25") || !strings.Contains(lines[2], "1234") {
		t.Errorf("\n%s", &report)
	}
}
