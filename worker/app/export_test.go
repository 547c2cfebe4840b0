package app

import (
	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/worker/upstream/pollinations"
)

// Gate returns the worker's gate for the legacy services.
func (w *Worker) Gate(leases *control.Store) pollinations.Gate { return w.gate(leases) }
