//go:build linux

package measure

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is the outcome of a benchmark.
type Report struct {
	When  time.Time `json:"when"`
	CPUs  int       `json:"cpus"`
	Scale float64   `json:"scale"`
	Runs  int       `json:"runs"`
	Rows  []Row     `json:"rows"`
	// Notes say what limits the meaning of the figures.
	Notes []string `json:"notes,omitempty"`
}

// Row is one figure.
type Row struct {
	Measurement string    `json:"measurement"`
	Name        string    `json:"name"`
	Value       float64   `json:"value"`
	Unit        string    `json:"unit"`
	Ceilings    []Ceiling `json:"ceilings,omitempty"`
}

// Ceiling is what the parts below reach at the same task in the same run.
type Ceiling struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	// Ratio is the figure divided by the ceiling: below 1 for a rate; above 1 for a time or a size.
	Ratio float64 `json:"ratio"`
}

// medians returns the rows of the first run with the medians of all runs. The ratios are medians of their own, since the two
// numbers of a ratio belong to the same run.
func medians(runs [][]Row) []Row {
	rows := slices.Clone(runs[0])
	for i := range rows {
		row := &rows[i]
		var values []float64
		ceilings := make(map[string][]Ceiling)
		for _, run := range runs {
			for _, r := range run {
				if r.Measurement == row.Measurement && r.Name == row.Name && r.Unit == row.Unit {
					values = append(values, r.Value)
					for _, c := range r.Ceilings {
						ceilings[c.Name] = append(ceilings[c.Name], c)
					}
				}
			}
		}
		row.Value = median(values)
		row.Ceilings = slices.Clone(row.Ceilings)
		for j := range row.Ceilings {
			c := &row.Ceilings[j]
			var values, ratios []float64
			for _, measured := range ceilings[c.Name] {
				values, ratios = append(values, measured.Value), append(ratios, measured.Ratio)
			}
			c.Value, c.Ratio = median(values), median(ratios)
		}
	}
	return rows
}

func median(values []float64) float64 {
	slices.Sort(values)
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}

// String returns the report as a table.
func (r *Report) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "measurement\tfigure\tvalue\tunit\tceiling\tvalue\tratio")
	last := ""
	for _, row := range r.Rows {
		name := row.Measurement
		if name == last {
			name = ""
		}
		last = row.Measurement
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s", name, row.Name, number(row.Value), row.Unit)
		for i, c := range row.Ceilings {
			if i > 0 {
				_, _ = fmt.Fprint(w, "\t\t\t")
			}
			_, _ = fmt.Fprintf(w, "\t%s\t%s\t%s\n", c.Name, number(c.Value), number(c.Ratio))
		}
		if len(row.Ceilings) == 0 {
			// Empty cells keep the columns of the rows around it aligned.
			_, _ = fmt.Fprint(w, "\t\t\t\n")
		}
	}
	_ = w.Flush()
	_, _ = fmt.Fprintf(&b, "\n%d processors shared with clients and upstream, scale %g, median of %d\n", r.CPUs, r.Scale, r.Runs)
	for _, note := range r.Notes {
		_, _ = fmt.Fprintln(&b, "note: "+note)
	}
	return b.String()
}

// number formats a number with three significant digits, or all digits before the point.
func number(v float64) string {
	if v >= 100 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// WriteFile writes the report as JSON.
func (r *Report) WriteFile(path string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode report: %w", err)
	}
	if err := os.WriteFile(path, append(data, '\n'), 0o644); err != nil { //nolint:gosec // The report has no secrets.
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}
