package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"net/http"
	"strconv"
	"strings"
)

const feedbackUsage = `usage: api feedback <command> [flags]

  list               list feedback with statistics, newest first
  processed ID...    mark feedback as processed
  pending ID...      mark feedback as pending again
  delete ID...       delete feedback permanently

The commands call a running API and need its ADMIN_KEY. "api feedback list -h" lists the flags of a command.
Exit status: 0 on success, 1 if something was refused or failed, 2 on incorrect usage.
`

// feedbackCommand lists, marks and deletes feedback through a running API.
func feedbackCommand(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	return operationGroup{name: "feedback", usage: feedbackUsage, commands: map[string]func(*flag.FlagSet) operation{
		"list":      feedbackList,
		"processed": feedbackAct("marked as processed", http.MethodPost, "/processed"),
		"pending":   feedbackAct("marked as pending", http.MethodPost, "/pending"),
		"delete":    feedbackAct("deleted", http.MethodDelete, ""),
	}}.exec(ctx, args, environ, stdout, stderr)
}

// feedbackAct returns a command that acts on feedback by ID.
func feedbackAct(done, method, suffix string) func(*flag.FlagSet) operation {
	act := bulkAction{done: done, one: func(ctx context.Context, o *operator, id string) (string, error) {
		return "", o.call(ctx, method, "feedback/"+id+suffix, nil, nil, nil)
	}}
	return func(*flag.FlagSet) operation {
		return operation{
			check: func(ids []string) error {
				if len(ids) == 0 {
					return errors.New("give IDs")
				}
				return checkIDs(ids)
			},
			run: act.each,
		}
	}
}

// feedbackPage is one page of feedback as the API returns it.
type feedbackPage struct {
	Feedbacks []struct {
		ID        string `json:"id"`
		Category  string `json:"category"`
		Content   string `json:"content"`
		CreatedAt string `json:"created_at"`
		Status    string `json:"status"`
		Email     string `json:"email"`
	} `json:"feedbacks"`
	Stats struct {
		Total     int `json:"total"`
		Pending   int `json:"pending"`
		Processed int `json:"processed"`
		Today     int `json:"today"`
	} `json:"stats"`
	Next string `json:"next_cursor"`
}

func feedbackList(flags *flag.FlagSet) operation {
	category := flags.String("category", "", "only this category, such as bug")
	status := flags.String("status", "", "only this status: pending or processed")
	limit := flags.Int("limit", 20, "number of entries to list, at most 100")
	cursor := flags.String("cursor", "", "the cursor that the previous page printed")
	var since timeFlag
	flags.Var(&since, "since", "only feedback submitted since then: a duration such as 24h, or a time such as 2026-01-31T12:00:00Z")
	return operation{noArguments, func(ctx context.Context, o *operator, _ []string) error {
		query := queryOf(map[string]string{"category": *category, "status": *status, "from": string(since), "cursor": *cursor})
		query.Set("limit", strconv.Itoa(*limit))
		return show(ctx, o, http.MethodGet, "feedback", query, nil, o.printFeedback)
	}}
}

// printFeedback prints feedback with its texts, which do not fit into a table.
func (o *operator) printFeedback(page *feedbackPage) error {
	for _, f := range page.Feedbacks {
		o.printf("%s  %s  %s  %s  %s\n", printable(f.CreatedAt), printable(f.Status), printable(f.Category), printable(f.Email), printable(f.ID))
		for line := range strings.SplitSeq(f.Content, "\n") {
			o.printf("    %s\n", printable(line))
		}
	}
	o.printf("%d in total: %d pending, %d processed; %d today\n", page.Stats.Total, page.Stats.Pending, page.Stats.Processed, page.Stats.Today)
	if page.Next != "" {
		o.printf("next page: --cursor %s\n", printable(page.Next))
	}
	return nil
}
