package client

import (
	"context"
	"time"
)

// SetSleep replaces the waiting between attempts.
func (c *Client) SetSleep(f func(context.Context, time.Duration) error) { c.sleep = f }
