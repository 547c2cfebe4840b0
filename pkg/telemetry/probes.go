package telemetry

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// readyTimeout bounds a readiness probe.
const readyTimeout = 2 * time.Second

// SetReady sets the readiness check, which returns nil when the process can work. Until then /readyz returns 503. The
// worker has no other port for its probes.
func (s *Server) SetReady(ready func(context.Context) error) { s.ready.Store(&ready) }

// withProbes serves /livez and /readyz, and passes all other requests to next. The probes need no token and do not disclose why
// a process is unavailable.
func (s *Server) withProbes(next http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { respondProbe(w, http.StatusOK) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		status := http.StatusServiceUnavailable
		if ready := s.ready.Load(); ready != nil && (*ready)(ctx) == nil {
			status = http.StatusOK
		}
		respondProbe(w, status)
	})
	mux.Handle("/", next)
	return mux
}

func respondProbe(w http.ResponseWriter, status int) {
	text := "ok"
	if status != http.StatusOK {
		text = "unavailable"
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"status": text})
}
