package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
)

// bulkAtOnce is how many letters one request acts on.
const bulkAtOnce = 100

// deadAct is what can be done to dead letters.
type deadAct struct {
	// past names what was done.
	past string
	// route is the one that does it to many.
	route string
	// one does it to a single letter and returns the id of the new job, if there is one.
	one func(ctx context.Context, o *operator, id string) (made string, err error)
}

func deadReplay(flags *flag.FlagSet) deadCommand {
	return deadAct{past: "replayed", route: "dead-letters/replay", one: func(ctx context.Context, o *operator, id string) (string, error) {
		var made struct {
			ID string `json:"id"`
		}
		err := o.call(ctx, http.MethodPost, "dead-letters/"+id+"/replay", nil, nil, &made)
		return made.ID, err
	}}.command(flags)
}

func deadPurge(flags *flag.FlagSet) deadCommand {
	return deadAct{past: "purged", route: "dead-letters/purge", one: func(ctx context.Context, o *operator, id string) (string, error) {
		return "", o.call(ctx, http.MethodDelete, "dead-letters/"+id, nil, nil, nil)
	}}.command(flags)
}

func (a deadAct) command(flags *flag.FlagSet) deadCommand {
	var letters letterFlags
	letters.bind(flags)
	all := flags.Bool("all", false, "act on all dead letters that match the other flags")
	limit := flags.Int("limit", 0, "with --all: the maximum number of dead letters; 0 means no limit")
	return deadCommand{
		check: func(ids []string) error {
			switch {
			case len(ids) > 0 && (*all || letters.any() || *limit != 0):
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
				return a.many(ctx, o, &letters, *limit)
			}
			return a.each(ctx, o, ids)
		},
	}
}

// outcome is what became of one letter.
type outcome struct {
	ID       string `json:"id"`
	NewJobID string `json:"new_job_id,omitempty"`
	Error    string `json:"error,omitempty"`
}

// each acts on letters by their ids. One that is refused does not keep it from the others.
func (a deadAct) each(ctx context.Context, o *operator, ids []string) error {
	outcomes := make([]outcome, 0, len(ids))
	failed := 0
	for _, id := range ids {
		made, err := a.one(ctx, o, id)
		done := outcome{ID: id, NewJobID: made}
		if err != nil {
			failed++
			done.Error = err.Error()
			_, _ = fmt.Fprintf(o.stderr, "%s: %v\n", id, err)
		} else if !o.json {
			o.printf("%s %s", a.past, id)
			if made != "" {
				o.printf(" as %s", printable(made))
			}
			o.printf("\n")
		}
		outcomes = append(outcomes, done)
	}
	if o.json {
		if err := o.printJSON(outcomes); err != nil {
			return err
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d were not %s", failed, len(ids), a.past)
	}
	return nil
}

// sumOfMany is what became of many letters.
type sumOfMany struct {
	Done      int    `json:"done"`
	Skipped   int    `json:"skipped"`
	StoppedBy string `json:"stopped_by,omitempty"`
}

// many acts on all letters that the flags leave, up to a limit, request by request. The cursor leads no further than the
// newest letter there was at the beginning, so that it ends also when replayed jobs fail again.
func (a deadAct) many(ctx context.Context, o *operator, letters *letterFlags, limit int) error {
	var sum sumOfMany
	var failure error
	for cursor := ""; ; {
		ask := map[string]any{"all": true, "limit": bulkAtOnce}
		for name, value := range map[string]string{
			"kind": letters.kind, "code": letters.code, "owner": letters.owner, "since": string(letters.since), "cursor": cursor,
		} {
			if value != "" {
				ask[name] = value
			}
		}
		if limit > 0 {
			ask["limit"] = min(bulkAtOnce, limit-sum.Done-sum.Skipped)
		}
		var answer struct {
			sumOfMany
			Next string `json:"next_cursor"`
		}
		if failure = o.call(ctx, http.MethodPost, a.route, nil, ask, &answer); failure != nil {
			break
		}
		sum.Done += answer.Done
		sum.Skipped += answer.Skipped
		if sum.StoppedBy = answer.StoppedBy; sum.StoppedBy != "" {
			failure = fmt.Errorf("stopped by %s; repeat the command later for the rest", printable(sum.StoppedBy))
			break
		}
		if cursor = answer.Next; cursor == "" || (limit > 0 && sum.Done+sum.Skipped >= limit) {
			break
		}
	}
	if o.json {
		return errors.Join(o.printJSON(sum), failure)
	}
	o.printf("%s %d", a.past, sum.Done)
	if sum.Skipped > 0 {
		o.printf(", skipped %d", sum.Skipped)
	}
	o.printf("\n")
	return failure
}
