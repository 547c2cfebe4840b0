package server

import (
	"archive/zip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/jobview"
	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/ratelimit"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/pkg/batch"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

const (
	// zipPart is how many jobs of a batch are in memory while its ZIP file is written, besides one chunk of a file.
	zipPart = 50
	// maxZips bounds the ZIP files that are written at once, and maxZipsOfOne those for one address.
	maxZips, maxZipsOfOne = 16, 3
)

// getZip is GET /api/batches/:id/results.zip: manifest.json, and the files of the jobs that had succeeded at its beginning. They are
// read while they are sent.
func (h *batchHandler) getZip(c *gin.Context) error {
	respond.Vary(c, "Accept-Language", "Cookie")
	caller, err := h.sessions.Caller(c)
	if err != nil {
		return err
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	b, err := h.batchOf(ctx, c)
	if err != nil {
		return err
	}
	release, _, ok := h.zips.Reserve(maxZips, ratelimit.Bound{Key: caller.Address, Max: maxZipsOfOne})
	if !ok {
		return problem.Because(problem.CodeUnavailable, "busy")
	}
	defer release()
	c.Header("Content-Type", "application/zip")
	c.Header("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": "batch-" + b.ID + ".zip"}))
	c.Header("Cache-Control", "private, no-cache")
	c.Status(http.StatusOK)
	if c.Request.Method == http.MethodHead {
		c.Writer.WriteHeaderNow()
		return nil
	}
	return h.writeZip(c, b)
}

// writeZip writes the manifest and then the files that it names.
func (h *batchHandler) writeZip(c *gin.Context, b *batch.Batch) error {
	ctx, archive := c.Request.Context(), zip.NewWriter(c.Writer)
	succeeded := make([]bool, b.Jobs)
	manifest, err := archive.CreateHeader(&zip.FileHeader{Name: "manifest.json", Method: zip.Deflate, Modified: b.CreatedAt.Time})
	if err != nil {
		return fmt.Errorf("begin ZIP file: %w", err)
	}
	if err := h.writeManifest(ctx, manifest, problem.Lang(c), b, succeeded); err != nil {
		return err
	}
	err = h.eachPart(ctx, b, func(i int, _ string, snap *job.Snapshot) error {
		if !succeeded[i] || snap == nil || snap.Record == nil || snap.Record.Result == nil {
			return nil
		}
		for _, m := range snap.Record.Result.Media {
			if err := h.writeFile(ctx, archive, i, snap, m); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := archive.Close(); err != nil {
		return fmt.Errorf("end ZIP file: %w", err)
	}
	return nil
}

// manifestJob is a job in the manifest, with the names of its files in the order of its media.
type manifestJob struct {
	Index int          `json:"index"`
	ID    string       `json:"id"`
	Files []string     `json:"files"`
	Job   *jobview.Job `json:"job,omitempty"`
}

// writeManifest writes the batch and all its jobs as one JSON object, and sets which jobs have succeeded.
func (h *batchHandler) writeManifest(ctx context.Context, w io.Writer, lang job.Lang, b *batch.Batch, succeeded []bool) error {
	head, err := json.Marshal(summaryOf(b))
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	if _, err := fmt.Fprintf(w, `{"batch":%s,"jobs":[`, head); err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	err = h.eachPart(ctx, b, func(i int, id string, snap *job.Snapshot) error {
		j := manifestJob{Index: i, ID: id, Files: []string{}}
		if snap != nil {
			j.Job = problem.Translate(jobview.Of(snap), lang)
			if r := snap.Record; r != nil && r.Status == job.StatusSucceeded && r.Result != nil {
				succeeded[i] = true
				for _, m := range r.Result.Media {
					j.Files = append(j.Files, zipName(i, snap, m))
				}
			}
		}
		line, err := json.Marshal(j)
		if err != nil {
			return fmt.Errorf("encode manifest: %w", err)
		}
		separator := ",\n"
		if i == 0 {
			separator = "\n"
		}
		if _, err := fmt.Fprintf(w, "%s%s", separator, line); err != nil {
			return fmt.Errorf("write manifest: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, "\n]}\n"); err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	return nil
}

// eachPart calls do with each job of a batch in order, reading a part of them at a time; snap is nil if there is no such job.
func (h *batchHandler) eachPart(ctx context.Context, b *batch.Batch, do func(i int, id string, snap *job.Snapshot) error) error {
	ids := b.JobIDs()
	for start := 0; start < len(ids); start += zipPart {
		part := ids[start:min(start+zipPart, len(ids))]
		bounded, cancel := lifetime.Bounded(ctx)
		found, err := h.jobs.ReadAll(bounded, b.Owner, part)
		cancel()
		if err != nil {
			return err
		}
		for i, id := range part {
			if err := do(start+i, id, found[id]); err != nil {
				return err
			}
		}
	}
	return nil
}

// zipName returns the name of a file, which begins with the place of its job in the batch, counted from 1.
func zipName(index int, snap *job.Snapshot, m job.Media) string {
	return fmt.Sprintf("%04d-%d-%s.%s", index+1, m.Index+1, snap.Spec.Kind, extension(safeType(m.ContentType)))
}

// writeFile adds a file to a ZIP file, uncompressed, since images and audio are compressed. It skips one whose job was deleted meanwhile.
func (h *batchHandler) writeFile(ctx context.Context, archive *zip.Writer, index int, snap *job.Snapshot, m job.Media) error {
	reader, err := h.store.OpenMedia(ctx, snap.Spec.Owner, snap.Spec.ID, m)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	w, err := archive.CreateHeader(&zip.FileHeader{
		Name: zipName(index, snap, m), Method: zip.Store, Modified: snap.Record.FinishedAt.Truncate(time.Second),
	})
	if err != nil {
		return fmt.Errorf("begin file: %w", err)
	}
	if _, err := io.Copy(w, reader); err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	return nil
}
