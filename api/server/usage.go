package server

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/apikey"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
	"github.com/text2image-audio/text2image-audio/pkg/spend"
)

// usageHandler serves what the jobs of members have cost, and their budgets.
type usageHandler struct {
	spend     *spend.Counters
	submitter *jobs.Submitter
	quota     *quota.Quota
	accounts  *account.Accounts
	keys      *apikey.Keys
	now       func() time.Time
}

// usageView is the response of GET /api/usage.
type usageView struct {
	Since   string            `json:"since"`
	Until   string            `json:"until"`
	GroupBy []spend.Dimension `json:"group_by"`
	Rows    []usageRow        `json:"rows"`
	Totals  []costRow         `json:"totals"`
	Budgets []budgetView      `json:"budgets"`
}

// usageRow is what a group of jobs has cost. What the rows are not grouped by is null.
type usageRow struct {
	Day    *string   `json:"day"`
	Kind   *job.Kind `json:"kind"`
	Model  *string   `json:"model"`
	APIKey *string   `json:"api_key"`
	costRow
}

// costRow is what jobs have cost. Cost and Currency are null if that is known of none.
type costRow struct {
	Jobs         int64   `json:"jobs"`
	Units        int64   `json:"units"`
	Cost         *string `json:"cost"`
	Currency     *string `json:"currency"`
	UnpricedJobs int64   `json:"unpriced_jobs"`
}

func newCostRow(r spend.Row) costRow {
	row := costRow{Jobs: r.Jobs, Units: r.Units, UnpricedJobs: r.Unpriced}
	if r.Unpriced < r.Jobs {
		row.Cost, row.Currency = new(r.Cost.String()), &r.Currency
	}
	return row
}

func newUsageRow(r spend.Row) usageRow {
	row := usageRow{costRow: newCostRow(r), Kind: orNil(r.Kind), Model: orNil(r.Model), APIKey: orNil(r.APIKey)}
	if day, err := time.Parse(storedDay, r.Day); err == nil {
		row.Day = new(day.Format(time.DateOnly))
	}
	return row
}

// storedDay is the format of job.DayOf.
const storedDay = "20060102"

func orNil[T ~string](s T) *T {
	if s == "" {
		return nil
	}
	return &s
}

// defaultUsageDays is how many days a report has by default.
const defaultUsageDays = 30

// getUsage is GET /api/usage.
func (h *usageHandler) getUsage(c *gin.Context, m *session.Member) error {
	respond.Vary(c, "Accept-Language", "Cookie")
	var b bind.Binder
	until := day(&b, c, "until", h.now().UTC().Truncate(24*time.Hour))
	since := day(&b, c, "since", until.AddDate(0, 0, 1-defaultUsageDays))
	if len(b.Faults) == 0 {
		if earliest := until.AddDate(0, 0, 1-spend.MaxDays); since.Before(earliest) || since.After(until) {
			b.Add("?since", "out_of_range", "min", earliest.Format(time.DateOnly), "max", until.Format(time.DateOnly))
		}
	}
	q := spend.Query{
		Since: job.DayOf(since), Until: job.DayOf(until), Kinds: bind.List(&b, c, "kind", job.Kinds()),
		Models: c.QueryArray("model"), APIKeys: c.QueryArray("api_key"), GroupBy: bind.List(&b, c, "group_by", spend.Dimensions()),
	}
	if err := b.Err(); err != nil {
		return err
	}
	if q.GroupBy == nil {
		q.GroupBy = []spend.Dimension{spend.ByDay}
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	rows, sums, err := h.spend.Report(ctx, m.User.Owner(), q)
	if err != nil {
		return err
	}
	view := usageView{
		Since: since.Format(time.DateOnly), Until: until.Format(time.DateOnly), GroupBy: q.GroupBy,
		Rows: make([]usageRow, len(rows)), Totals: make([]costRow, len(sums)),
	}
	for i, r := range rows {
		view.Rows[i] = newUsageRow(r)
	}
	if view.Budgets, err = h.budgets(ctx, m.User); err != nil {
		return err
	}
	for i, r := range sums {
		view.Totals[i] = newCostRow(r)
	}
	c.Header("Cache-Control", "no-store")
	respond.JSON(c, http.StatusOK, view)
	return nil
}

// day returns a parameter that is a day, or the fallback if there is none.
func day(b *bind.Binder, c *gin.Context, name string, fallback time.Time) time.Time {
	text, given := c.GetQuery(name)
	if !given {
		return fallback
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		b.Add("?"+name, "invalid_date")
	}
	return t
}
