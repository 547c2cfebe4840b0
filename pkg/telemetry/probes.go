package telemetry

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// readyTimeout bounds how long a readiness probe may take.
const readyTimeout = 2 * time.Second

// SetReady says how to find out whether the process can do its work; ready returns nil when it can. Until it is set,
// /readyz answers 503. The worker has no other port for its probes.
func (s *Server) SetReady(ready func(context.Context) error) { s.ready.Store(&ready) }

// withProbes answers /livez and /readyz without a token, since the one who probes has none, and passes on everything else.
// They say ok or unavailable and nothing about why.
func (s *Server) withProbes(next http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { answerProbe(w, http.StatusOK) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		status := http.StatusServiceUnavailable
		if ready := s.ready.Load(); ready != nil && (*ready)(ctx) == nil {
			status = http.StatusOK
		}
		answerProbe(w, status)
	})
	mux.Handle("/", next)
	return mux
}

func answerProbe(w http.ResponseWriter, status int) {
	text := "ok"
	if status != http.StatusOK {
		text = "unavailable"
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"status": text})
}
