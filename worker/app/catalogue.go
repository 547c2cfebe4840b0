package app

import (
	"context"
	"errors"
	"math/big"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/catalogue"
	"github.com/text2image-audio/text2image-audio/pkg/job"
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
func (w *Worker) keepCatalogue(ctx context.Context, media *pollinations.Client) {
	ticker := time.NewTicker(refreshCheckInterval)
	defer ticker.Stop()
	failing := false
	for {
		if failing || w.catalogue.Due(ctx, refreshInterval) {
			err := w.refreshCatalogue(ctx, media)
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

func (w *Worker) refreshCatalogue(ctx context.Context, media *pollinations.Client) error {
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	models, err := media.Models(ctx)
	before := w.catalogue.Current(ctx)
	// The limit of prompts does not depend on the lists.
	limit := media.MaxPromptBytes()
	if models == nil || (len(models.Image) == 0 && len(models.Speech) == 0 && before.MaxPromptBytes == limit) {
		return err
	}
	if models.Skipped > 0 && models.Skipped != w.skipped {
		w.log.InfoContext(ctx, "unusable entries in the model lists of the upstream skipped", "count", models.Skipped)
	}
	w.skipped = models.Skipped
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
	if publishErr := w.catalogue.Publish(ctx, lists); publishErr != nil && !errors.Is(publishErr, catalogue.ErrChanged) {
		return publishErr
	}
	return err
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
