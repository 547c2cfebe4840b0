package spend

import "time"

// SetNow replaces the clock.
func (c *Counters) SetNow(now func() time.Time) { c.now = now }
