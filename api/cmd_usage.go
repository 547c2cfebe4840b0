package main

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/client"
)

var usageCommand = callerCommand{
	usage: `usage: api usage [flags]

Shows what the jobs of your account have cost, by the day on which they were submitted, and the budgets.

  api usage
  api usage --since 2160h --by kind,model
  api usage --json
` + callerEnd,
	bind: func(flags *flag.FlagSet) func(context.Context, *caller, []string) error {
		by := flags.String("by", "day", "day, kind, model and api_key, separated by commas")
		var since, until timeFlag
		flags.Var(&since, "since", "the day of this `time`, such as 2026-11-01T00:00:00Z, or of this duration ago, is the first; at most 92 days (720h)")
		flags.Var(&until, "until", "the day of this `time` is the last; today if empty")
		return func(ctx context.Context, c *caller, args []string) error {
			if len(args) != 0 {
				return usageError("api usage takes no arguments")
			}
			s, err := c.Usage(ctx, client.UsageOptions{Since: since.time(), Until: until.time(), GroupBy: strings.Split(*by, ",")})
			if err != nil {
				return err
			}
			if c.json {
				data, err := json.Marshal(s)
				if err != nil {
					return fmt.Errorf("encode costs: %w", err)
				}
				_, err = fmt.Fprintf(c.stdout, "%s\n", data)
				return err
			}
			for _, r := range s.Rows {
				group := strings.Join(strings.Fields(strings.Join([]string{r.Day, r.Kind, r.Model, r.APIKey}, " ")), "  ")
				c.costLine(cmp.Or(group, "-"), r.Cost)
			}
			for _, total := range s.Totals {
				c.costLine("total", total)
			}
			for _, b := range s.Budgets {
				of := strings.TrimSpace(b.Scope + " " + b.APIKey)
				_, _ = fmt.Fprintln(c.stdout, printable(fmt.Sprintf("budget of the %s, %s: %s of %s %s used", of, b.Period, b.Used, b.Limit, b.Currency)))
			}
			return nil
		}
	},
}

// costLine prints what jobs have cost.
func (c *caller) costLine(group string, cost client.Cost) {
	line := fmt.Sprintf("%s  %d jobs, %d units", group, cost.Jobs, cost.Units)
	if cost.Cost != "" {
		line += ", " + cost.Cost + " " + cost.Currency
	}
	if cost.UnpricedJobs > 0 {
		line += fmt.Sprintf(", %d jobs without a price", cost.UnpricedJobs)
	}
	_, _ = fmt.Fprintln(c.stdout, printable(line))
}
