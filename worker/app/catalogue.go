package app

import (
	"context"
	"errors"
	"math/big"
	"slices"
	"sync"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/catalogue"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/generate"
	"github.com/text2image-audio/text2image-audio/worker/provider"
	"github.com/text2image-audio/text2image-audio/worker/upstream/pollinations"
)

const (
	// refreshInterval is the interval at which one of the workers fetches the model lists.
	refreshInterval = 10 * time.Minute
	// refreshCheckInterval is the interval at which each worker checks whether a refresh is due.
	refreshCheckInterval = time.Minute
	// refreshTimeout bounds the requests.
	refreshTimeout = 30 * time.Second
)

// keepCatalogue refreshes the catalogue of models until ctx ends. The first worker that finds a refresh due fetches the
// lists for all.
func (w *Worker) keepCatalogue(ctx context.Context, g *generate.Generator) {
	ticker := time.NewTicker(refreshCheckInterval)
	defer ticker.Stop()
	failing := false
	for {
		if failing || w.catalogue.Due(ctx, refreshInterval) {
			err := w.refreshCatalogue(ctx, g)
			switch {
			case err != nil && ctx.Err() == nil && !failing:
				// Logged once; the previous or built-in catalogue remains in use.
				w.log.WarnContext(ctx, "cannot read the models of the upstream", "error", err)
			case err == nil && failing:
				w.log.InfoContext(ctx, "the models of the upstream can be read again")
			}
			failing = err != nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// refreshCatalogue fetches the lists and publishes them.
func (w *Worker) refreshCatalogue(ctx context.Context, g *generate.Generator) error {
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	models, err := g.Media.Models(ctx)
	before := w.catalogue.Current(ctx)
	// The limit of prompts does not depend on the lists.
	limit := g.Media.MaxPromptBytes()
	listed := len(g.Providers.Images)+len(g.Providers.Speech) > 0
	if listed && models == nil {
		// A missing setting was logged at the start.
		models, err = &pollinations.Models{}, nil
	}
	if models == nil || (!listed && len(models.Image) == 0 && len(models.Speech) == 0 && before.MaxPromptBytes == limit) {
		return err
	}
	w.logSkipped(ctx, models.Skipped)
	lists := &job.Catalogue{Images: convert(models.Image), Speech: convert(models.Speech), MaxPromptBytes: limit}
	// Keep the previous version of a list that could not be fetched.
	if err != nil && before.Source == job.SourceUpstream {
		if len(lists.Images) == 0 {
			lists.Images = before.Images
		}
		if len(lists.Speech) == 0 {
			lists.Speech = before.Speech
		}
	}
	if listed {
		err = errors.Join(err, w.mergeProviders(ctx, g.Providers, before, lists))
	}
	if publishErr := w.catalogue.Publish(ctx, lists); publishErr != nil && !errors.Is(publishErr, catalogue.ErrChanged) {
		return publishErr
	}
	return err
}

// logSkipped logs the number of skipped entries if it has changed.
func (w *Worker) logSkipped(ctx context.Context, skipped int) {
	if skipped > 0 && skipped != w.skipped {
		w.log.InfoContext(ctx, "unusable entries in the model lists of the upstream skipped", "count", skipped)
	}
	w.skipped = skipped
}

// mergeProviders sets the lists of the kinds that have providers to what these offer together. A provider whose list cannot be
// fetched keeps the models that the catalogue had of it, or has the built-in ones.
func (w *Worker) mergeProviders(ctx context.Context, providers provider.Set, before, lists *job.Catalogue) error {
	builtin := catalogue.Builtin()
	images, imageErr := listAll(ctx, providers.Images, before.Images, builtin.Images)
	speech, speechErr := listAll(ctx, providers.Speech, before.Speech, builtin.Speech)
	if len(providers.Images) > 0 {
		lists.Images, lists.MaxPromptBytes = images, 0
		for _, p := range providers.Images {
			limit := p.MaxPromptBytes()
			if limit == 0 {
				lists.MaxPromptBytes = 0
				break
			}
			lists.MaxPromptBytes = max(lists.MaxPromptBytes, limit)
		}
	}
	if len(providers.Speech) > 0 {
		lists.Speech = speech
	}
	return errors.Join(imageErr, speechErr)
}

// listAll returns the models that providers offer together. It fetches their lists concurrently, so that one that does not
// respond does not use up the time of the others.
func listAll(ctx context.Context, providers []*provider.Provider, before, builtin []job.Model) ([]job.Model, error) {
	builtin = slices.DeleteFunc(builtin, func(m job.Model) bool { return m.ReplacedBy != "" })
	lists, errs := make([][]job.Model, len(providers)), make([]error, len(providers))
	var fetching sync.WaitGroup
	for i, p := range providers {
		fetching.Go(func() {
			lists[i], errs[i] = p.List(ctx, before, builtin, func(ctx context.Context, c *pollinations.Client) ([]job.Model, error) {
				models, err := c.Models(ctx)
				if models == nil {
					return nil, err
				}
				return convert(slices.Concat(models.Image, models.Speech)), err
			})
		})
	}
	fetching.Wait()
	return provider.Merge(lists...), errors.Join(errs...)
}

// convert converts the models of the upstream to those of the catalogue.
func convert(models []pollinations.Model) []job.Model {
	list := make([]job.Model, 0, len(models))
	for _, m := range models {
		list = append(list, job.Model{
			Name: m.Name, Title: m.Title, Aliases: m.Aliases, Voices: m.Voices, MaxPixels: m.MaxPixels,
			MaxReferenceImages: m.MaxReferenceImages, PaidOnly: m.PaidOnly, PerUserRPM: m.PerUserRPM,
			Health: m.Health, Price: price(m),
		})
	}
	return list
}

// The names of prices in the model lists.
const (
	rateImage = "completionImageTokens"
	rateAudio = "completionAudioTokens"
)

func price(m pollinations.Model) *job.Price {
	p := &job.Price{Currency: m.Currency}
	switch {
	case m.PerImage > 0:
		p.PerImage = m.Prices[rateImage]
	case m.Rates[rateImage] > 0:
		p.PerToken = m.Prices[rateImage]
	case m.PerThousandCharacters > 0:
		const thousand = 1000
		p.PerThousandCharacters = job.Cost(m.Prices[rateAudio], big.NewRat(thousand, 1))
	default:
		return nil
	}
	return p
}
