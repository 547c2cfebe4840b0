package job_test

import (
	"encoding/json"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// TestViewGolden compares views with golden files.
func TestViewGolden(t *testing.T) {
	t.Parallel()
	all := shapes()
	snapshots := map[string]*job.Snapshot{
		"view_queued.json":   {Spec: imageSpec(), Sequence: 5},
		"view_running.json":  {Spec: imageSpec(), Progress: all["progress_running.json"].value.(*job.Progress)},
		"view_retrying.json": {Spec: imageSpec(), Progress: all["progress_retrying.json"].value.(*job.Progress)},
		"view_retried.json":  {Spec: all["spec_prompt_retried.json"].value.(*job.Spec)},
	}
	for _, name := range []string{"succeeded", "succeeded_text", "failed", "expired", "canceled"} {
		record := all["record_"+name+".json"].value.(*job.Record)
		snapshots["view_"+name+".json"] = &job.Snapshot{
			Spec: record.Spec, Record: record,
			// The rest of the progress must not be shown.
			Progress: all["progress_retrying.json"].value.(*job.Progress),
		}
	}
	for name, snap := range snapshots {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := json.MarshalIndent(snap.View(), "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name, got)
		})
	}
}
