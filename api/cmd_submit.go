package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/client"
)

// callerEnd ends the usage of the commands that submit and follow jobs.
const callerEnd = `
Calls the API at T2I_URL with T2I_API_KEY, if set. Exit status: 0 on success, 1 if a job or a request failed, 2 on incorrect
usage, 130 if interrupted; the job then goes on.

`

var submitCommand = callerCommand{
	usage: `usage: api submit [flags] TEXT

Submits a job, shows its progress, and prints or saves the result.

  api submit "a fox" -o fox.jpg
  api submit "a fox" --size 1024x768 -n 4 -o fox.jpg      saves fox-1.jpg to fox-4.jpg
  api submit "the same fox at night" --model gptimage --reference fox.jpg -o night.jpg
  api submit --kind translation "黄昏时的灯塔"             prints the text
  api submit "a fox" --no-wait                            prints the ID of the job
  api submit "a fox" -n 4 --dry-run                       prints what it would cost, and submits nothing
` + callerEnd,
	saves: true,
	bind: func(flags *flag.FlagSet) func(context.Context, *caller, []string) error {
		r := client.Request{}
		flags.StringVar(&r.Kind, "kind", "image", "image, prompt (improves the text) or translation")
		size := flags.String("size", "", "width and height in pixels, such as 1024x768")
		flags.IntVar(&r.Input.N, "n", 0, "how many images, at most 4")
		flags.StringVar(&r.Input.Model, "model", "", "image model")
		flags.StringVar(&r.Input.Negative, "negative", "", "what the image must not show")
		flags.BoolVar(&r.Input.Optimize, "optimize", false, "improve the prompt first")
		flags.StringVar(&r.Input.Quality, "quality", "", "low, medium, high or hd")
		flags.BoolVar(&r.Input.Transparent, "transparent", false, "ask for a transparent background")
		flags.Func("seed", "seed of the first image", func(s string) error {
			seed, err := strconv.ParseInt(s, 10, 64)
			r.Input.Seed = &seed
			return err
		})
		var references []string
		flags.Func("reference", "reference image, if the model takes any: a file, URL, upload:ID or job:ID/INDEX; may be repeated", func(s string) error {
			references = append(references, s)
			return nil
		})
		flags.IntVar(&r.DeadlineSeconds, "deadline", 0, "seconds after which the job fails if it has not ended")
		labelFlags(flags, &r)
		cacheFlag(flags, &r)
		noWait, dryRun := submitFlags(flags)
		return func(ctx context.Context, c *caller, args []string) error {
			if len(args) != 1 {
				return usageError("give one text, in quotes")
			}
			if *size != "" {
				if err := parseSize(*size, &r.Input); err != nil {
					return err
				}
			}
			switch r.Kind {
			case "image":
				r.Input.Prompt = args[0]
			case "prompt", "translation":
				r.Input.Text = args[0]
			default:
				return usageError("--kind must be image, prompt or translation; for speech use api speak")
			}
			var err error
			if r.Input.ReferenceImages, err = c.uploadFiles(ctx, references); err != nil {
				return err
			}
			if *dryRun {
				return c.estimate(ctx, r)
			}
			return c.submit(ctx, r, !*noWait)
		}
	},
}

// submitFlags adds the flags for what happens to the job.
func submitFlags(flags *flag.FlagSet) (noWait, dryRun *bool) {
	return flags.Bool("no-wait", false, "print the ID of the job instead of waiting for it"),
		flags.Bool("dry-run", false, "print what the job would cost and how long it would take, and submit nothing")
}

// estimate prints what a job would cost and how long it would take.
func (c *caller) estimate(ctx context.Context, r client.Request) error {
	e, err := c.Estimate(ctx, r)
	if err != nil {
		return err
	}
	if c.json {
		_, err = fmt.Fprintf(c.stdout, "%s\n", e.Raw)
		return err
	}
	cost := "cost unknown"
	switch e.CostBasis {
	case "price_list":
		cost = "costs " + e.Usage.Cost + " " + e.Usage.Currency
	case "upper_bound":
		cost = "costs at most " + e.Usage.Cost + " " + e.Usage.Currency
	}
	if e.ETASeconds != nil {
		cost += fmt.Sprintf(", takes about %d s", *e.ETASeconds)
	}
	if e.WaitingFor != "" {
		cost += ", waits for " + e.WaitingFor
	}
	_, err = fmt.Fprintln(c.stdout, printable(cost))
	return err
}

// labelFlags adds the flags for what a caller attaches to a job for its own use.
func labelFlags(flags *flag.FlagSet, r *client.Request) {
	tagFlag(flags, &r.Tags, "tag of the job, by which api list can select it; may be repeated")
	flags.Func("metadata", "text for your own use, as name=value; may be repeated", func(s string) error {
		name, value, ok := strings.Cut(s, "=")
		if !ok {
			return errors.New("must be name=value")
		}
		if r.Metadata == nil {
			r.Metadata = make(map[string]string)
		}
		r.Metadata[name] = value
		return nil
	})
}

// cacheFlag adds the flag for a result of its own.
func cacheFlag(flags *flag.FlagSet, r *client.Request) {
	flags.BoolFunc("no-cache", "have it made again, even if an identical job of yours has a result", func(s string) error {
		no, err := strconv.ParseBool(s)
		if no {
			r.Cache = new(false)
		}
		return err
	})
}

func tagFlag(flags *flag.FlagSet, tags *[]string, usage string) {
	flags.Func("tag", usage, func(s string) error {
		*tags = append(*tags, s)
		return nil
	})
}

// uploadFiles returns reference images as the server takes them: files are uploaded first.
func (c *caller) uploadFiles(ctx context.Context, references []string) ([]string, error) {
	var taken []string
	for _, reference := range references {
		if !slices.ContainsFunc([]string{"http://", "https://", "upload:", "job:"}, func(p string) bool { return strings.HasPrefix(reference, p) }) {
			image, err := os.ReadFile(reference) //nolint:gosec // The user names it.
			if err != nil {
				return nil, fmt.Errorf("read reference image: %w", err)
			}
			u, err := c.Upload(ctx, image)
			if err != nil {
				return nil, fmt.Errorf("upload %s: %w", reference, err)
			}
			reference = u.Reference
		}
		taken = append(taken, reference)
	}
	return taken, nil
}

func parseSize(size string, in *client.Input) error {
	width, height, _ := strings.Cut(strings.ToLower(size), "x")
	var err error
	if in.Width, err = strconv.Atoi(width); err == nil {
		in.Height, err = strconv.Atoi(height)
	}
	if err != nil || in.Width <= 0 || in.Height <= 0 {
		return usageError("--size must be a size such as 1024x768")
	}
	return nil
}

var speakCommand = callerCommand{
	usage: `usage: api speak [flags] TEXT

Turns a text into speech, and prints or saves the result.

  api speak "Good evening, and welcome aboard." -o welcome.mp3
  api speak "Good evening" --voice alloy --speed 1.25 -o welcome.wav
` + callerEnd,
	saves: true,
	bind: func(flags *flag.FlagSet) func(context.Context, *caller, []string) error {
		r := client.Request{Kind: "audio"}
		flags.StringVar(&r.Input.Voice, "voice", "", "voice")
		flags.StringVar(&r.Input.Model, "model", "", "speech model")
		flags.Float64Var(&r.Input.Speed, "speed", 0, "speed from 0.25 to 4; other than 1 it makes a WAV file")
		flags.StringVar(&r.Input.Format, "format", "", "mp3, opus, aac, flac, wav or pcm (that of the file name)")
		labelFlags(flags, &r)
		cacheFlag(flags, &r)
		noWait, dryRun := submitFlags(flags)
		return func(ctx context.Context, c *caller, args []string) error {
			if len(args) != 1 {
				return usageError("give one text, in quotes")
			}
			r.Input.Text = args[0]
			switch extension := strings.TrimPrefix(filepath.Ext(c.file), "."); extension {
			case "mp3", "opus", "aac", "flac", "wav", "pcm":
				if r.Input.Format == "" {
					r.Input.Format = extension
				}
			}
			if *dryRun {
				return c.estimate(ctx, r)
			}
			return c.submit(ctx, r, !*noWait)
		}
	},
}

var watchCommand = callerCommand{
	usage: `usage: api watch [flags] ID

Shows the progress of a job until it ends, and prints or saves the result.

  api watch 0199d0f4-6b01-7c3a-8f52-1f6d0a3c9e11 -o fox.jpg
` + callerEnd,
	saves: true,
	bind: func(*flag.FlagSet) func(context.Context, *caller, []string) error {
		return func(ctx context.Context, c *caller, args []string) error {
			if len(args) != 1 {
				return usageError("give the ID of a job")
			}
			return c.follow(ctx, args[0])
		}
	},
}

var listCommand = callerCommand{
	usage: `usage: api list [flags]

Lists your jobs, newest first.

  api list --status queued,running --limit 50
  api list --tag spring --since 24h
  api list --json
` + callerEnd,
	bind: func(flags *flag.FlagSet) func(context.Context, *caller, []string) error {
		kinds := flags.String("kind", "", "only these kinds, separated by commas")
		statuses := flags.String("status", "", "only jobs in these states, separated by commas")
		var options client.ListOptions
		flags.StringVar(&options.Text, "text", "", "only jobs whose prompt or text contains this")
		tagFlag(flags, &options.Tags, "only jobs with this tag; may be repeated")
		var since, until timeFlag
		flags.Var(&since, "since", "only jobs that were submitted after this `time`, such as 2026-11-01T08:00:00Z, or since this duration, such as 24h")
		flags.Var(&until, "until", "only jobs that were submitted before this `time`, or longer ago than this duration")
		limit := flags.Int("limit", 20, "how many jobs")
		return func(ctx context.Context, c *caller, args []string) error {
			if len(args) != 0 || *limit < 1 {
				return usageError("api list takes no arguments, and --limit must be at least 1")
			}
			options.Kinds, options.Statuses, options.PageSize = []string{*kinds}, []string{*statuses}, min(*limit, 100)
			options.CreatedAfter, options.CreatedBefore = since.time(), until.time()
			left := *limit
			for j, err := range c.List(ctx, options) {
				if err != nil {
					return err
				}
				if err := c.row(j); err != nil {
					return err
				}
				if left--; left == 0 {
					break
				}
			}
			return nil
		}
	},
}

// row prints a job on one line.
func (c *caller) row(j *client.Job) error {
	if c.json {
		return c.print(j)
	}
	const shown = 60
	text := []rune(j.Input.Prompt + j.Input.Text)
	if len(text) > shown {
		text = append(text[:shown], '…')
	}
	_, err := fmt.Fprintf(c.stdout, "%s  %s  %-11s  %-9s  %s\n",
		printable(j.ID), j.CreatedAt.Format("2006-01-02 15:04:05Z"), printable(j.Kind), printable(j.Status), printable(string(text)))
	return err
}

var cancelCommand = callerCommand{
	usage: `usage: api cancel [flags] ID...

Cancels jobs. A job that was running may still be billed by the generation service.

  api cancel 0199d0f4-6b01-7c3a-8f52-1f6d0a3c9e11
` + callerEnd,
	bind: func(*flag.FlagSet) func(context.Context, *caller, []string) error {
		return func(ctx context.Context, c *caller, ids []string) error {
			if len(ids) == 0 {
				return usageError("give the IDs of jobs")
			}
			var failed error
			for _, id := range ids {
				j, err := c.Cancel(ctx, id)
				switch {
				case err != nil:
					failed = fmt.Errorf("job %s: %w", id, err)
					if id != ids[len(ids)-1] {
						_, _ = fmt.Fprintf(c.stderr, "job %s: %s\n", printable(id), explain(err))
					}
				case c.json:
					_ = c.print(j)
				default:
					_, _ = fmt.Fprintf(c.stdout, "job %s is %s\n", printable(j.ID), printable(j.Status))
				}
			}
			return failed
		}
	},
}
