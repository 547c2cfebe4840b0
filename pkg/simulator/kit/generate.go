package kit

import (
	"context"
	"fmt"
	"net/http"

	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/content"
)

// Generate returns the artifact of a key from the cache or generates it: it
// waits for the queue, the rule that applies and the latency. An empty key is not
// cached; fresh ignores a cached artifact. If that fails, Generate responds,
// unless the client went away, and returns nil.
func (x *Exchange) Generate(key string, fresh bool, latency Delay, generate func(context.Context) (*Artifact, error)) (*Artifact, Origin) {
	kind, rule := x.Kind, x.rule
	art, origin, err := x.Server.cache.fetch(x.Context(), key, fresh, func(ctx context.Context) (*Artifact, error) {
		release, err := x.turn(ctx)
		if err != nil {
			return nil, fmt.Errorf("wait for the queue: %w", err)
		}
		defer release()
		if err := rule.wait(ctx); err != nil {
			return nil, fmt.Errorf("wait for the rule: %w", err)
		}
		if !lifecycle.Sleep(ctx, x.Server.random.duration(latency)) {
			return nil, fmt.Errorf("wait for the latency: %w", context.Cause(ctx))
		}
		art, err := generate(ctx)
		if err == nil {
			x.Server.CountGeneration(kind)
		}
		return art, err
	})
	if err != nil {
		x.generationFailed(err)
		return nil, origin
	}
	x.record(func(c *Call) { c.Cache = string(origin) })
	return art, origin
}

// SendImage draws an image that is not cached and sends it.
func (x *Exchange) SendImage(d content.Drawing) {
	media, err := x.Server.Content.Image(x.Context(), d)
	if err != nil {
		return // The client went away.
	}
	x.Send(http.StatusOK, media.ContentType, media.Bytes)
}

// generationFailed responds to a failed generation: the queue of the host was
// full, or the simulator is stopping.
func (x *Exchange) generationFailed(err error) {
	if x.Context().Err() != nil || (x.Host.Busy != nil && x.Host.Busy(x, err)) {
		return
	}
	x.Server.log.DebugContext(x.Context(), "simulated generation failed", "error", err)
	x.SetHeaders(map[string]string{"X-Cache": "MISS", "X-Cache-Type": "COALESCED-ERROR"})
	x.Fail(Failure{Status: http.StatusServiceUnavailable, Code: "SERVICE_UNAVAILABLE", Message: "The service is shutting down."})
}
