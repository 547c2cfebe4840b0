package jobview_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/jobview"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

var update = flag.Bool("update", false, "write the golden files")

// stored returns a stored value of the golden files of package job.
func stored[T any](t testing.TB, name string, decode func([]byte) (*T, error)) *T {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../../pkg/job/testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	v, err := decode(data)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestOf compares views with golden files, which -update writes.
func TestOf(t *testing.T) {
	t.Parallel()
	spec := stored(t, "spec_image.json", job.DecodeSpec)
	retrying := stored(t, "progress_retrying.json", job.DecodeProgress)
	snapshots := map[string]*job.Snapshot{
		"view_queued.json":    {Spec: spec, Sequence: 5},
		"view_running.json":   {Spec: spec, Progress: stored(t, "progress_running.json", job.DecodeProgress)},
		"view_retrying.json":  {Spec: spec, Progress: retrying},
		"view_webhook.json":   {Spec: stored(t, "spec_webhook.json", job.DecodeSpec)},
		"view_identical.json": {Spec: spec, Progress: stored(t, "progress_identical.json", job.DecodeProgress)},
		"view_retried.json":   {Spec: stored(t, "spec_prompt_retried.json", job.DecodeSpec)},
	}
	for _, name := range []string{"succeeded", "succeeded_text", "failed", "expired", "canceled", "cached"} {
		record := stored(t, "record_"+name+".json", job.DecodeRecord)
		// The rest of the progress must not be shown.
		snapshots["view_"+name+".json"] = &job.Snapshot{Spec: record.Spec, Record: record, Progress: retrying}
	}
	for name, snap := range snapshots {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := json.MarshalIndent(jobview.Of(snap), "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", name)
			got = append(bytes.TrimSpace(got), '\n')
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
		})
	}
}

// FuzzOf checks that every record that can be decoded has a view.
func FuzzOf(f *testing.F) {
	names, err := filepath.Glob("../../pkg/job/testdata/record_*.json")
	if err != nil || len(names) == 0 {
		f.Fatalf("%v, %v", names, err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(_ *testing.T, data []byte) {
		if r, err := job.DecodeRecord(data); err == nil {
			jobview.Of(&job.Snapshot{Spec: r.Spec, Record: r})
		}
	})
}

// TestWaitingFor checks the sentences of all upstreams in all languages.
func TestWaitingFor(t *testing.T) {
	t.Parallel()
	until := job.At(time.Date(2026, time.March, 4, 5, 6, 7, 0, time.UTC))
	for _, upstream := range job.Upstreams() {
		for _, w := range []job.Waiting{
			{Upstream: upstream, Reason: job.CodeThrottled, Until: &until},
			{Upstream: upstream, Reason: job.CodeThrottled},
			{Reason: job.ReasonPaused, Until: &until},
		} {
			var sentences []string
			for _, lang := range job.Langs() {
				s := jobview.WaitingFor(w, lang)
				if strings.ContainsAny(s, "{}") || strings.Contains(s, upstream) || (w.Until != nil) != strings.Contains(s, "2026-03-04T05:06:07Z") {
					t.Errorf("%+v in %s: %q", w, lang, s)
				}
				sentences = append(sentences, s)
			}
			if sentences[0] == sentences[1] {
				t.Errorf("%+v: %q in both languages", w, sentences[0])
			}
		}
	}
}
