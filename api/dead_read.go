package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"text/tabwriter"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// deadLetter is a dead letter as the API shows it.
type deadLetter struct {
	ID          string `json:"id"`
	Kind        string `json:"kind"`
	Lane        string `json:"lane"`
	Owner       string `json:"owner"`
	CreatedAt   string `json:"created_at"`
	FailedAt    string `json:"failed_at"`
	Attempt     int    `json:"attempt"`
	MaxAttempts int    `json:"max_attempts"`
	job.Counts
	Error       *job.Error      `json:"error"`
	Detail      string          `json:"detail"`
	RetriedFrom string          `json:"retried_from"`
	RequestID   string          `json:"request_id"`
	Replayable  bool            `json:"replayable"`
	Input       json.RawMessage `json:"input"`
}

// code names why the job failed.
func (l *deadLetter) code() string {
	if l.Error == nil {
		return "unreadable"
	}
	return printable(l.Error.Code)
}

type deadLetterPage struct {
	Letters []deadLetter `json:"dead_letters"`
	Total   int          `json:"total"`
	Next    string       `json:"next_cursor"`
}

func deadList(flags *flag.FlagSet) deadCommand {
	var letters letterFlags
	letters.bind(flags)
	limit := flags.Int("limit", 20, "number of dead letters to list, at most 100")
	cursor := flags.String("cursor", "", "the cursor that the previous page printed")
	return deadCommand{
		check: func(ids []string) error {
			if len(ids) > 0 {
				return fmt.Errorf("unexpected argument %q", ids[0])
			}
			return nil
		},
		run: func(ctx context.Context, o *operator, _ []string) error {
			query := url.Values{"limit": {strconv.Itoa(*limit)}}
			for name, value := range map[string]string{
				"kind": letters.kind, "code": letters.code, "owner": letters.owner, "since": string(letters.since), "cursor": *cursor,
			} {
				if value != "" {
					query.Set(name, value)
				}
			}
			if o.json {
				var answer json.RawMessage
				if err := o.call(ctx, http.MethodGet, "dead-letters", query, nil, &answer); err != nil {
					return err
				}
				return o.printJSON(answer)
			}
			var page deadLetterPage
			if err := o.call(ctx, http.MethodGet, "dead-letters", query, nil, &page); err != nil {
				return err
			}
			return o.printLetters(&page)
		},
	}
}

// printLetters prints a page as a table.
func (o *operator) printLetters(page *deadLetterPage) error {
	if len(page.Letters) == 0 {
		o.printf("no dead letters\n")
		return nil
	}
	table := tabwriter.NewWriter(o.stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "FAILED\tKIND\tCODE\tATTEMPTS\tOWNER\tID")
	for _, l := range page.Letters {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%d of %d\t%s\t%s\n",
			printable(l.FailedAt), printable(l.Kind), l.code(), l.Attempt, l.MaxAttempts, printable(l.Owner), printable(l.ID))
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print response: %w", err)
	}
	o.printf("%d of %d\n", len(page.Letters), page.Total)
	if page.Next != "" {
		o.printf("next page: --cursor %s\n", printable(page.Next))
	}
	return nil
}

func deadShow(*flag.FlagSet) deadCommand {
	return deadCommand{
		check: func(ids []string) error {
			if len(ids) != 1 {
				return errors.New("give one ID")
			}
			return checkIDs(ids)
		},
		run: func(ctx context.Context, o *operator, ids []string) error {
			var answer json.RawMessage
			if err := o.call(ctx, http.MethodGet, "dead-letters/"+ids[0], nil, nil, &answer); err != nil {
				return err
			}
			if o.json {
				return o.printJSON(answer)
			}
			var letter deadLetter
			if err := json.Unmarshal(answer, &letter); err != nil {
				return fmt.Errorf("the response is not from the API: %w", err)
			}
			return o.printLetter(&letter)
		},
	}
}

// checkIDs refuses what cannot be the id of a job, and would be another address.
func checkIDs(ids []string) error {
	for _, id := range ids {
		if !job.ValidToken(id) {
			return fmt.Errorf("%q is not an ID", id)
		}
	}
	return nil
}

// printLetter prints all there is to know about a letter.
func (o *operator) printLetter(l *deadLetter) error {
	table := tabwriter.NewWriter(o.stdout, 0, 0, 2, ' ', 0)
	row := func(name, value string) {
		if value != "" {
			_, _ = fmt.Fprintf(table, "%s\t%s\n", name, printable(value))
		}
	}
	row("id", l.ID)
	row("kind", l.Kind)
	row("owner", l.Owner)
	row("lane", l.Lane)
	row("created", l.CreatedAt)
	row("failed", l.FailedAt)
	row("attempts", fmt.Sprintf("%d of %d", l.Attempt, l.MaxAttempts))
	row("failures", fmt.Sprintf("%d, throttled %d, worker lost %d", l.Failures, l.Throttles, l.Crashes))
	row("code", l.code())
	if l.Error != nil {
		row("error", l.Error.Message)
		if l.Error.UpstreamStatus != 0 {
			row("upstream status", strconv.Itoa(l.Error.UpstreamStatus))
		}
	}
	row("upstream said", l.Detail)
	row("retried from", l.RetriedFrom)
	row("request", l.RequestID)
	row("can be replayed", map[bool]string{true: "yes", false: "no"}[l.Replayable])
	if len(l.Input) > 0 {
		row("input", string(l.Input))
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print response: %w", err)
	}
	return nil
}
