package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

const deadUsage = `usage: api dead <command> [flags]

  list               list dead letters, newest first
  show ID            show a dead letter with the input of its job
  replay ID...       submit the jobs again as new jobs
  replay --all       the same for all that match --kind, --code, --owner and --since
  purge ID...        delete the dead letters permanently
  purge --all        the same for all that match --kind, --code, --owner and --since

The commands call a running API and need its ADMIN_KEY. "api dead list -h" lists the flags of a command.
Exit status: 0 on success, 1 if something was refused or failed, 2 on incorrect usage.
`

// deadCommand lists, shows, replays and purges dead letters through a running API.
func deadCommand(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	return operationGroup{name: "dead", usage: deadUsage, commands: map[string]func(*flag.FlagSet) operation{
		"list": deadList, "show": deadShow, "replay": deadReplay, "purge": deadPurge,
	}}.exec(ctx, args, environ, stdout, stderr)
}

// deadFilter are the flags that select dead letters.
type deadFilter struct {
	kind, code, owner string
	since             timeFlag
}

func (f *deadFilter) bind(flags *flag.FlagSet) {
	flags.StringVar(&f.kind, "kind", "", "only these kinds of job, separated by commas")
	flags.StringVar(&f.code, "code", "", "only jobs that failed with one of these codes, separated by commas")
	flags.StringVar(&f.owner, "owner", "", "only jobs of this owner")
	flags.Var(&f.since, "since", "only jobs that failed since then: a duration such as 24h, or a time such as 2026-01-31T12:00:00Z")
}

// parameters returns the query parameters of the filter and the cursor. Values may be empty.
func (f *deadFilter) parameters(cursor string) map[string]string {
	return map[string]string{"kind": f.kind, "code": f.code, "owner": f.owner, "since": string(f.since), "cursor": cursor}
}

// isSet reports whether any flag is set.
func (f *deadFilter) isSet() bool { return *f != deadFilter{} }

// deadLetter is a dead letter as the API returns it.
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

// statusOf returns the error code with which the job failed.
func (l *deadLetter) code() string {
	if l.Error == nil {
		return "unreadable"
	}
	return l.Error.Code
}

type deadLetterPage struct {
	Letters []deadLetter `json:"dead_letters"`
	Total   int          `json:"total"`
	Next    string       `json:"next_cursor"`
}

func deadList(flags *flag.FlagSet) operation {
	var filter deadFilter
	filter.bind(flags)
	limit := flags.Int("limit", 20, "number of dead letters to list, at most 100")
	cursor := flags.String("cursor", "", "the cursor that the previous page printed")
	return operation{noArguments, func(ctx context.Context, o *operator, _ []string) error {
		query := queryOf(filter.parameters(*cursor))
		query.Set("limit", strconv.Itoa(*limit))
		return show(ctx, o, http.MethodGet, "dead-letters", query, nil, o.printLetters)
	}}
}

// printLetters prints a page as a table.
func (o *operator) printLetters(page *deadLetterPage) error {
	if len(page.Letters) == 0 {
		o.printf("no dead letters\n")
		return nil
	}
	rows := [][]string{{"FAILED", "KIND", "CODE", "ATTEMPTS", "OWNER", "ID"}}
	for _, l := range page.Letters {
		rows = append(rows, []string{l.FailedAt, l.Kind, l.code(), fmt.Sprintf("%d of %d", l.Attempt, l.MaxAttempts), l.Owner, l.ID})
	}
	if err := o.printTable(rows); err != nil {
		return err
	}
	o.printf("%d of %d\n", len(page.Letters), page.Total)
	if page.Next != "" {
		o.printf("next page: --cursor %s\n", printable(page.Next))
	}
	return nil
}

func deadShow(*flag.FlagSet) operation {
	return operation{
		check: func(ids []string) error {
			if len(ids) != 1 {
				return errors.New("give one ID")
			}
			return checkIDs(ids)
		},
		run: func(ctx context.Context, o *operator, ids []string) error {
			return show(ctx, o, http.MethodGet, "dead-letters/"+ids[0], nil, nil, o.printLetter)
		},
	}
}

// checkIDs returns an error for an argument that is not a valid ID, which could name another URL.
func checkIDs(ids []string) error {
	for _, id := range ids {
		if !job.ValidToken(id) {
			return fmt.Errorf("%q is not an ID", id)
		}
	}
	return nil
}

// printLetter prints all fields of a dead letter.
func (o *operator) printLetter(l *deadLetter) error {
	var rows [][]string
	row := func(name, value string) {
		if value != "" {
			rows = append(rows, []string{name, value})
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
	row("upstream message", l.Detail)
	row("retried from", l.RetriedFrom)
	row("request", l.RequestID)
	row("can be replayed", map[bool]string{true: "yes", false: "no"}[l.Replayable])
	if len(l.Input) > 0 {
		row("input", string(l.Input))
	}
	return o.printTable(rows)
}
