package spend

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// MaxDays is how many days a report can have.
const MaxDays = 92

// Dimension is what a report groups costs by.
type Dimension string

// The dimensions.
const (
	ByDay    Dimension = "day"
	ByKind   Dimension = "kind"
	ByModel  Dimension = "model"
	ByAPIKey Dimension = "api_key"
)

// Dimensions returns all dimensions.
func Dimensions() []Dimension { return []Dimension{ByDay, ByKind, ByModel, ByAPIKey} }

// Query selects what a report has. Empty lists select everything.
type Query struct {
	// Since and Until are the first and the last day, as job.DayOf returns them.
	Since, Until    string
	Kinds           []job.Kind
	Models, APIKeys []string
	GroupBy         []Dimension
}

// Group is what the jobs of a row have in common. What the report is not grouped by is empty.
type Group struct {
	Day string
	// Kind, Model and APIKey may be empty: texts have no model, and jobs that were submitted on the page no key.
	Kind   job.Kind
	Model  string
	APIKey string
}

// Row is what a group of jobs has cost.
type Row struct {
	Group
	// Currency is empty if the cost of none of the jobs is known.
	Currency string
	Cost     job.Amount
	// Jobs have produced Units images, audio files and texts. The Cost leaves out those that are Unpriced.
	Jobs, Units, Unpriced int64
}

// Report returns what jobs of an owner have cost, and the sums, one for each currency. Rows are ordered by day, the latest first, then
// by cost. A job counts for the day on which it was submitted, once it has ended. It costs two requests, and one for each five hundred
// counters of the owner: of each day, kind, model, key and currency.
func (c *Counters) Report(ctx context.Context, owner string, q Query) (rows, sums []Row, err error) {
	stream, err := c.broker.JetStream().Stream(ctx, broker.StreamSpend)
	if err != nil {
		return nil, nil, fmt.Errorf("open counters of costs: %w", err)
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(broker.OwnerSpendSubject(owner)))
	if err != nil {
		return nil, nil, fmt.Errorf("list counters of costs: %w", err)
	}
	selected := make(map[string]counter)
	for subject := range info.State.Subjects {
		if k, ok := parse(subject); ok && q.selects(k) {
			selected[subject] = k
		}
	}
	byGroup, all := make(map[Group]sheet), make(sheet)
	err = c.read(ctx, selected, func(k counter, t totals) {
		g := q.group(k.Group)
		if byGroup[g] == nil {
			byGroup[g] = make(sheet)
		}
		byGroup[g].add(k.currency, t)
		all.add(k.currency, t)
	})
	if err != nil {
		return nil, nil, err
	}
	for g, s := range byGroup {
		rows = append(rows, s.rows(g)...)
	}
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(b.Day, a.Day), cmp.Compare(b.Cost, a.Cost), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Model, b.Model),
			cmp.Compare(a.APIKey, b.APIKey), cmp.Compare(a.Currency, b.Currency))
	})
	return rows, all.rows(Group{}), nil
}

// counter is a counter by what its jobs have in common.
type counter struct {
	Group
	currency string
}

func parse(subject string) (k counter, ok bool) {
	day, kind, model, apiKey, currency, ok := broker.ParseSpendTotalSubject(subject)
	return counter{Group{day, kind, decode(model), apiKey}, decode(currency)}, ok
}

func (q *Query) selects(k counter) bool {
	return k.Day >= q.Since && k.Day <= q.Until && includes(q.Kinds, k.Kind) && includes(q.Models, k.Model) && includes(q.APIKeys, k.APIKey)
}

func includes[T comparable](list []T, item T) bool {
	return len(list) == 0 || slices.Contains(list, item)
}

func (q *Query) group(g Group) (of Group) {
	for _, by := range q.GroupBy {
		switch by {
		case ByDay:
			of.Day = g.Day
		case ByKind:
			of.Kind = g.Kind
		case ByModel:
			of.Model = g.Model
		case ByAPIKey:
			of.APIKey = g.APIKey
		}
	}
	return of
}

// readAtOnce is how many counters are read in one request.
const readAtOnce = 500

func (c *Counters) read(ctx context.Context, selected map[string]counter, take func(counter, totals)) error {
	subjects := make([]string, 0, len(selected))
	for subject := range selected {
		subjects = append(subjects, subject)
	}
	for part := range slices.Chunk(subjects, readAtOnce) {
		values, err := c.values(ctx, part)
		if err != nil {
			return err
		}
		for subject, value := range values {
			t, err := unpack(value)
			if err != nil {
				return err
			}
			take(selected[subject], t)
		}
	}
	return nil
}

// values returns the values of those counters that exist. It costs one request, which any replica may answer.
func (c *Counters) values(ctx context.Context, subjects []string) (map[string]string, error) {
	values := make(map[string]string, len(subjects))
	err := broker.LastMessages(ctx, c.broker.JetStream(), broker.StreamSpend, subjects, func(s string) string { return s },
		func(_ string, msg *jetstream.RawStreamMsg) error {
			var stored struct {
				Value string `json:"val"`
			}
			if err := json.Unmarshal(msg.Data, &stored); err != nil {
				return fmt.Errorf("read counter of costs: %w", err)
			}
			values[msg.Subject] = stored.Value
			return nil
		})
	return values, err
}

// sheet has totals by currency; those of jobs without a known cost have none.
type sheet map[string]totals

func (s sheet) add(currency string, t totals) {
	sum := s[currency]
	sum.add(t)
	s[currency] = sum
}

// rows returns one row for each currency. Jobs without a known cost are part of the first.
func (s sheet) rows(g Group) []Row {
	currencies := make([]string, 0, len(s))
	for currency := range s {
		currencies = append(currencies, currency)
	}
	slices.Sort(currencies)
	var unpriced totals
	if len(currencies) > 1 && currencies[0] == "" {
		unpriced, currencies = s[""], currencies[1:]
	}
	rows := make([]Row, len(currencies))
	for i, currency := range currencies {
		t := s[currency]
		if i == 0 {
			t.add(unpriced)
		}
		rows[i] = Row{Group: g, Currency: currency, Cost: t.Cost, Jobs: t.Jobs, Units: t.Units, Unpriced: t.Unpriced}
	}
	return rows
}
