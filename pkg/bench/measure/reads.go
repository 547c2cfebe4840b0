//go:build linux

package measure

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// storedForReads is how many jobs the reads choose from.
const storedForReads = 200

// measureReads measures how fast the states and the images of finished jobs are read.
func measureReads(ctx context.Context, b *bench) error {
	b.upstream.size.Store(large)
	a, err := b.startAPI(ctx, syncInterval, b.path("data"))
	if err != nil {
		return err
	}
	defer a.kill()
	defer a.client.close()
	stored, err := a.burst(ctx, b.cfg.count(storedForReads, 8), nil)
	if err != nil {
		return err
	}
	jobs := stored.jobs
	if err := a.client.verify(ctx, jobs, large); err != nil {
		return err
	}
	var state bytes.Buffer
	if err := a.client.send(ctx, http.MethodGet, "/api/jobs/"+jobs[0].id, "", nil, http.StatusOK, &state); err != nil {
		return err
	}
	d := b.cfg.duration(3*time.Second, 200*time.Millisecond)
	polls, err := rate(ctx, d, a.client.reader(func(i int) (string, int) { return "/api/jobs/" + jobs[i%len(jobs)].id, 0 }))
	if err != nil {
		return err
	}
	media, err := rate(ctx, d, a.client.reader(func(i int) (string, int) { return "/api/jobs/" + jobs[i%len(jobs)].id + "/media/0", large }))
	if err != nil {
		return err
	}
	if err := a.stop(); err != nil {
		return err
	}
	p, err := b.startCeiling(ctx)
	if err != nil {
		return err
	}
	defer p.kill()
	c := newClient(p.url())
	defer c.close()
	constant := func(n int) func(context.Context, int) error {
		return c.reader(func(int) (string, int) { return fmt.Sprintf("/bytes/%d", n), n })
	}
	ginPolls, err := rate(ctx, d, constant(state.Len()))
	if err != nil {
		return err
	}
	ginMedia, err := rate(ctx, d, constant(large))
	if err != nil {
		return err
	}
	b.add("poll", polls, "requests/s", Ceiling{Name: ceilingGin, Value: ginPolls})
	b.add("media of 150 KB", media, "requests/s", Ceiling{Name: ceilingGin, Value: ginMedia})
	b.add("media of 150 KB", media*large/1e6, "MB/s", Ceiling{Name: ceilingGin, Value: ginMedia * large / 1e6})
	return p.stop()
}

// reader returns a function that gets the path of request i and checks the size of the response unless it is 0.
func (c *client) reader(request func(i int) (path string, size int)) func(context.Context, int) error {
	return func(ctx context.Context, i int) error {
		path, size := request(i)
		if size == 0 {
			return c.send(ctx, http.MethodGet, path, "", nil, http.StatusOK, io.Discard)
		}
		var length counter
		if err := c.send(ctx, http.MethodGet, path, "", nil, http.StatusOK, &length); err != nil {
			return err
		}
		if int(length) != size {
			return fmt.Errorf("GET %s: %d bytes, not %d", path, length, size)
		}
		return nil
	}
}
