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
	// refreshEvery is how often one of the workers fetches the model lists.
	refreshEvery = 10 * time.Minute
	// refreshLook is how often a worker checks whether that is due.
	refreshLook = time.Minute
	// refreshTimeout bounds the requests.
	refreshTimeout = 30 * time.Second
)

// keepCatalogue keeps the catalogue of models up to date until ctx ends. The first worker to find it due fetches the
// lists.
func (w *Worker) keepCatalogue(ctx context.Context, media *pollinations.Client) {
	ticker := time.NewTicker(refreshLook)
	defer ticker.Stop()
	failing := false
	for {
		if failing || w.catalogue.Due(ctx, refreshEvery) {
			err := w.refreshCatalogue(ctx, media)
			switch {
			case err != nil && ctx.Err() == nil && !failing:
				// Logged once; the previous or built-in catalogue stays.
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
	// The limit of prompts is known without a list.
	limit := media.MaxPromptBytes()
	if models == nil || (len(models.Image) == 0 && len(models.Speech) == 0 && before.MaxPromptBytes == limit) {
		return err
	}
	if models.Skipped > 0 && models.Skipped != w.odd {
		w.log.InfoContext(ctx, "unusable entries in the model lists of the upstream skipped", "count", models.Skipped)
	}
	w.odd = models.Skipped
	lists := &job.Catalogue{Images: convert(models.Image), Speech: convert(models.Speech), MaxPromptBytes: limit}
	// A list that could not be fetched stays what it was.
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

// The names under which the lists give prices.
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
