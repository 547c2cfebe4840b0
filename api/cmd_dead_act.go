package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
)

// bulkLimit is the maximum number of dead letters per request.
const bulkLimit = 100

// bulkAction acts on dead letters or other resources with an ID.
type bulkAction struct {
	// done is the past participle to print.
	done string
	// route is the route that acts on many.
	route string
	// one acts on one and returns the ID of the new job, if there is one.
	one func(ctx context.Context, o *operator, id string) (newID string, err error)
}

func deadReplay(flags *flag.FlagSet) operation {
	return bulkAction{done: "replayed", route: "dead-letters/replay", one: func(ctx context.Context, o *operator, id string) (string, error) {
		var created struct {
			ID string `json:"id"`
		}
		err := o.call(ctx, http.MethodPost, "dead-letters/"+id+"/replay", nil, nil, &created)
		return created.ID, err
	}}.command(flags)
}

func deadPurge(flags *flag.FlagSet) operation {
	return bulkAction{done: "purged", route: "dead-letters/purge", one: func(ctx context.Context, o *operator, id string) (string, error) {
		return "", o.call(ctx, http.MethodDelete, "dead-letters/"+id, nil, nil, nil)
	}}.command(flags)
}

func (a bulkAction) command(flags *flag.FlagSet) operation {
	var filter deadFilter
	filter.bind(flags)
	all := flags.Bool("all", false, "act on all dead letters that match the other flags")
	limit := flags.Int("limit", 0, "with --all: the maximum number of dead letters; 0 means no limit")
	return operation{
		check: func(ids []string) error {
			switch {
			case len(ids) > 0 && (*all || filter.isSet() || *limit != 0):
				return errors.New("give either IDs or --all with its filters, not both")
			case len(ids) == 0 && !*all:
				return errors.New("give IDs or --all")
			case *limit < 0:
				return errors.New("limit must not be negative")
			}
			return checkIDs(ids)
		},
		run: func(ctx context.Context, o *operator, ids []string) error {
			if *all {
				return a.many(ctx, o, &filter, *limit)
			}
			return a.each(ctx, o, ids)
		},
	}
}

// outcome is the result for one ID.
type outcome struct {
	ID       string `json:"id"`
	NewJobID string `json:"new_job_id,omitempty"`
	Error    string `json:"error,omitempty"`
}

// each acts on IDs one by one and continues after errors.
func (a bulkAction) each(ctx context.Context, o *operator, ids []string) error {
	outcomes := make([]outcome, 0, len(ids))
	failed := 0
	for _, id := range ids {
		newID, err := a.one(ctx, o, id)
		result := outcome{ID: id, NewJobID: newID}
		if err != nil {
			failed++
			result.Error = err.Error()
			_, _ = fmt.Fprintf(o.stderr, "%s: %v\n", id, err)
		} else if !o.json {
			o.printf("%s %s", a.done, id)
			if newID != "" {
				o.printf(" as %s", printable(newID))
			}
			o.printf("\n")
		}
		outcomes = append(outcomes, result)
	}
	if o.json {
		if err := o.printJSON(outcomes); err != nil {
			return err
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d were not %s", failed, len(ids), a.done)
	}
	return nil
}

// bulkResult is the result of a bulk request.
type bulkResult struct {
	Done      int    `json:"done"`
	Skipped   int    `json:"skipped"`
	StoppedBy string `json:"stopped_by,omitempty"`
}

// many acts on all dead letters that match filter, up to limit, in several requests. The cursor excludes dead letters that are
// newer than the first request, so that jobs that fail again are not replayed endlessly.
func (a bulkAction) many(ctx context.Context, o *operator, filter *deadFilter, limit int) error {
	var sum bulkResult
	var failure error
	for cursor := ""; ; {
		body := map[string]any{"all": true, "limit": bulkLimit}
		for name, value := range filter.parameters(cursor) {
			if value != "" {
				body[name] = value
			}
		}
		if limit > 0 {
			body["limit"] = min(bulkLimit, limit-sum.Done-sum.Skipped)
		}
		var page struct {
			bulkResult
			Next string `json:"next_cursor"`
		}
		if failure = o.call(ctx, http.MethodPost, a.route, nil, body, &page); failure != nil {
			break
		}
		sum.Done += page.Done
		sum.Skipped += page.Skipped
		if sum.StoppedBy = page.StoppedBy; sum.StoppedBy != "" {
			failure = fmt.Errorf("stopped by %s; repeat the command later for the rest", printable(sum.StoppedBy))
			break
		}
		if cursor = page.Next; cursor == "" || (limit > 0 && sum.Done+sum.Skipped >= limit) {
			break
		}
	}
	if o.json {
		return errors.Join(o.printJSON(sum), failure)
	}
	o.printf("%s %d", a.done, sum.Done)
	if sum.Skipped > 0 {
		o.printf(", skipped %d", sum.Skipped)
	}
	o.printf("\n")
	return failure
}
