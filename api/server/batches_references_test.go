package server_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestBatchReferences submits batches whose jobs refer to uploads, and deletes those afterwards.
func TestBatchReferences(t *testing.T) {
	t.Parallel()
	b := setup(t)
	jar, owner := guest()
	ann := cookie(jar)
	up := b.upload(t, tinyPNG(), ann)
	line := func(reference string) string {
		return `{"kind":"image","input":{"prompt":"a fox","model":"kontext","reference_images":["` + reference + `"]}}` + "\n"
	}
	body := line(up.Reference) + line(up.Reference) + line("https://pictures.example/a.png")
	accepted := b.post(t, "/api/batches", body, ann, jsonLines, idempotencyKey("k")).batch(t, http.StatusAccepted)
	b.delete(t, "/api/uploads/"+up.ID, ann).expect(t, http.StatusNoContent)

	read := b.get(t, "/api/batches/"+accepted.ID, ann).batch(t, http.StatusOK)
	for i, want := range []int{1, 1, 0} {
		if read.Jobs[i].Job == nil {
			t.Fatalf("job %d does not exist", i)
		}
		entry, err := b.queue.Find(t.Context(), owner, read.Jobs[i].ID)
		must(t, err)
		if got := len(entry.Spec.References); got != want {
			t.Errorf("job %d has %d copies, want %d", i, got, want)
		}
		for _, r := range entry.Spec.References {
			if data, err := b.store.ReadReference(t.Context(), entry.Spec, r); err != nil || string(data) != string(tinyPNG()) {
				t.Errorf("job %d: %d bytes, %v", i, len(data), err)
			}
		}
	}

	// The upload is gone: a repeated request finds its batch, and a new one is refused with the lines that need it.
	again := b.post(t, "/api/batches", body, ann, jsonLines, idempotencyKey("k")).batch(t, http.StatusAccepted)
	if again.ID != accepted.ID {
		t.Errorf("repeated as %s, want %s", again.ID, accepted.ID)
	}
	var p batchProblem
	b.post(t, "/api/batches", "\n"+body, ann, jsonLines).expect(t, http.StatusBadRequest).decode(t, &p)
	if len(p.Lines) != 2 || p.Lines[0].Line != 2 || p.Lines[1].Index != 1 || p.Lines[1].Errors[0].Pointer != "/input/reference_images/0" ||
		p.Lines[1].Errors[0].Code != "reference_not_found" {
		t.Errorf("%+v", p)
	}
	if !strings.Contains(p.Detail, "2 of 3") {
		t.Errorf("detail %q", p.Detail)
	}
}
