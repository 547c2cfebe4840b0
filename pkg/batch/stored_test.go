package batch_test

import (
	"encoding/json"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/batch"
)

// TestStoredRecord decodes a record of the first version. The ids of its jobs, which are stored nowhere else, must not change.
func TestStoredRecord(t *testing.T) {
	t.Parallel()
	const stored = `{"v":1,"id":"0199d0f4-6b01-7c3a-8f52-1f6d0a3c9e11","state":"accepting","created_at":"2026-11-22T10:15:02.129Z",` +
		`"fingerprint":"f","seed":"KZ7QXJ2N4M","jobs":1000,"bytes":7,"chunk_bytes":524288,` +
		`"charges":[{"id":"0199d0f4-6b01-7c3a-8f52-1f6d0a3c9e11-media","at":"2026-11-22T10:15:02.129Z","units":1000,` +
		`"charge":{"who":"w","day":"20261122","units":1000}}]}`
	var r batch.Record
	if err := json.Unmarshal([]byte(stored), &r); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(&r)
	if err != nil || string(again) != stored {
		t.Errorf("%s, %v", again, err)
	}
	ids := r.JobIDs()
	if len(ids) != 1000 || ids[0] != "01a202c0-88f1-7000-a8d8-525611ea6a53" || ids[999] != "01a202c0-88f1-73e7-a21c-d5667dec89d8" {
		t.Errorf("%d: %s … %s", len(ids), ids[0], ids[999])
	}
}
