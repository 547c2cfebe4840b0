package provider

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// maxFile bounds the file in bytes.
const maxFile = 1 << 20

// The types of providers.
const (
	TypePollinations = "pollinations"
	TypeOpenAI       = "openai"
	TypeDeepSeek     = "deepseek"
)

// File is the content of the file that UPSTREAMS names. A kind without providers uses the other settings. The zero value has
// no providers.
type File struct {
	Images, Speech, Chat []Spec

	err error
}

// Spec is a provider in the file.
type Spec struct {
	Name    string
	Type    string
	BaseURL string
	Key     env.Secret
	// Timeout bounds a call; 0 means the time that the attempt has.
	Timeout time.Duration
	// Style is the version of the API of type pollinations.
	Style string
	// Models are the models of images and speech, Model is that of a chat.
	Models Names
	Model  string
	// Sizes are the sizes of images that the provider makes; all if empty.
	Sizes []Size
	// NoSeed is set if the provider does not take a seed.
	NoSeed bool
	// Voices and Formats are those of speech; all if empty. Speed is set if it takes a speed.
	Voices  Names
	Formats []string
	Speed   bool
	// Price is the price of type openai; nil if unknown.
	Price *job.Price
	// place is where it is in the file.
	place string
}

// Size is the size of an image in pixels.
type Size struct{ Width, Height int }

// Read reads the file at the path. It never fails: a process without a worker needs no file, so that Validate returns the
// errors.
func (f *File) Read(path string, lookup func(name string) (string, error)) error {
	data, err := readFile(path)
	if err != nil {
		f.err = fmt.Errorf("UPSTREAMS: %w", err)
		return nil
	}
	r := &reader{lookup: lookup}
	r.file(data, f)
	f.err = errors.Join(r.faults...)
	return nil
}

// Validate returns every fault of the file with its place, and without a value.
func (f File) Validate() error { return f.err }

// Set reports whether there is a file.
func (f File) Set() bool { return f.err != nil || len(f.Images)+len(f.Speech)+len(f.Chat) > 0 }

// Circuits returns the names of the circuit breakers of all providers.
func (f File) Circuits() []string {
	var names []string
	for _, list := range []struct {
		upstream string
		specs    []Spec
	}{{job.UpstreamImage, f.Images}, {job.UpstreamSpeech, f.Speech}, {job.UpstreamLanguage, f.Chat}} {
		for _, s := range list.specs {
			names = append(names, job.ProviderCircuit(list.upstream, s.Name))
		}
	}
	return names
}

// String returns the names of the providers.
func (f File) String() string {
	text := ""
	for _, list := range []struct {
		kind  string
		specs []Spec
	}{{"images", f.Images}, {"speech", f.Speech}, {"language model", f.Chat}} {
		for i, s := range list.specs {
			switch {
			case i > 0:
				text += " > "
			case text != "":
				text += ", " + list.kind + " "
			default:
				text += list.kind + " "
			}
			text += s.Name
		}
	}
	return text
}

// readFile reads a file. Its error does not contain the path, since a secret may have been set instead of one.
func readFile(path string) ([]byte, error) {
	file, err := os.Open(path) //nolint:gosec // The path is the operator's own setting.
	if err != nil {
		return nil, unreadable(err)
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, unreadable(err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("the file is larger than %d bytes", maxFile)
	}
	return data, nil
}

func unreadable(err error) error {
	if withPath, is := errors.AsType[*fs.PathError](err); is {
		err = withPath.Err
	}
	return fmt.Errorf("the file cannot be read: %w", err)
}

// Names are names that clients use, in order, with the provider's own name of each.
type Names struct {
	list []string
	own  []string
	// Any is set if the provider also takes all other names, as they are.
	Any bool
}

// Own returns the provider's own name of the first of the names that it knows, ignoring case.
func (n Names) Own(names ...string) (string, bool) {
	for _, name := range names {
		if i := slices.IndexFunc(n.list, func(known string) bool { return strings.EqualFold(known, name) }); i >= 0 {
			return n.own[i], true
		}
	}
	return "", false
}

// List returns the names that clients use.
func (n Names) List() []string { return n.list }
