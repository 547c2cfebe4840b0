package broker

import (
	"strconv"
	"strings"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// StreamSpend counts what the jobs of members have cost.
const StreamSpend = "SPEND"

// SpendPrefix is the beginning of all subjects of StreamSpend, and spendSubjects matches them.
const (
	SpendPrefix   = "spend."
	spendSubjects = SpendPrefix + ">"
)

// noToken is in place of an empty part of a subject.
const noToken = "-"

// SpendTotalSubject is the counter of what jobs have cost. Texts that may be no tokens must be encoded; an empty one is noToken.
func SpendTotalSubject(owner, day string, kind job.Kind, model, apiKey, currency string) string {
	parts := []string{"spend", "total", owner, day, string(kind), model, apiKey, currency}
	for i, part := range parts {
		if part == "" {
			parts[i] = noToken
		}
	}
	return strings.Join(parts, ".")
}

// OwnerSpendSubject matches all counters of what the jobs of an owner have cost.
func OwnerSpendSubject(owner string) string { return "spend.total." + owner + ".>" }

// ParseSpendTotalSubject parses a counter's subject; ok is false for any other subject.
func ParseSpendTotalSubject(subject string) (day string, kind job.Kind, model, apiKey, currency string, ok bool) {
	parts := strings.Split(subject, ".")
	if len(parts) != 8 || parts[0] != "spend" || parts[1] != "total" {
		return "", "", "", "", "", false
	}
	for i, part := range parts {
		if part == noToken {
			parts[i] = ""
		}
	}
	return parts[3], job.Kind(parts[4]), parts[5], parts[6], parts[7], true
}

// SpendMarkSubject marks that a job of a day is counted. The ID of a deleted job may be used again; the time then distinguishes the two.
func SpendMarkSubject(day, id string, created time.Time) string {
	return "spend.mark." + day + "." + id + "." + strconv.FormatInt(created.UnixMilli(), 10)
}

// SpendMarksSubject matches all marks of a day.
func SpendMarksSubject(day string) string { return "spend.mark." + day + ".>" }

// SpendBudgetSubject is the counter of a budget, of which name is who it belongs to, its period and the currency.
func SpendBudgetSubject(name string) string { return "spend.budget." + name }

// SpendBudgetsSubject matches the counters of all budgets of an account or API key.
func SpendBudgetsSubject(who string) string { return SpendBudgetSubject(who + ".>") }
