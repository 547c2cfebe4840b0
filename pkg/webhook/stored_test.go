package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

var update = flag.Bool("update", false, "write the golden files")

// TestStoredShapes compares stored values with golden files, which -update writes, and reads those files.
func TestStoredShapes(t *testing.T) {
	t.Parallel()
	record := recordOf("j1", "https://hooks.example.org/a?b=c")
	end := ended(record)
	start := started(record.Spec, &job.Progress{V: 1, ID: "j1", Status: job.StatusRunning, Attempt: 1, StartedAt: record.StartedAt})
	if start.ID == end.ID || newDelivery(record.Spec, end.Event, record.FinishedAt, end.At, nil).ID != end.ID {
		t.Errorf("the ids are %s and %s", start.ID, end.ID)
	}
	tried := ended(record)
	if err := tried.render(func(*job.Snapshot) any { return "<job>" }); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, time.March, 4, 5, 6, 8, 0, time.UTC)
	tried.conclude(result{status: 503, failure: FailureStatus}, at, schedule(), 0.5)
	set := settings{
		V: 1, URL: "https://hooks.example.org/a?b=c", Events: job.EndEvents(), Disabled: []Disabled{{"https://gone.example.org/", job.At(at)}},
		Generation: 2, RotatedAt: job.AtPtr(at),
	}
	for name, value := range map[string]any{"end.json": end, "start.json": start, "tried.json": tried, "settings.json": &set} {
		got, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", name)
		got = append(got, '\n')
		if *update {
			if err := os.WriteFile(path, got, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("%v (run with -update to write it)", err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs\n got: %s\nwant: %s", path, got, want)
		}
		if _, isDelivery := value.(*Delivery); !isDelivery {
			continue
		}
		var d Delivery
		if err := json.Unmarshal(want, &d); err != nil || d.check() != nil {
			t.Errorf("%s cannot be read: %v, %v", path, err, d.check())
		}
		if d.V = job.Version + 1; !errors.Is(d.check(), kv.ErrNewer) {
			t.Errorf("%s of a newer version is read", path)
		}
	}
}
