package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Result is the result of Recover.
type Result struct {
	// Repairs describes each repair without loss in a sentence.
	Repairs []string
	// Routine describes the removal of remains of interrupted writes, which are no damage.
	Routine []string
	// Losses are the damages that were accepted.
	Losses []Damage
	// Aside is the directory to which damaged files were moved, or "".
	Aside string
	// Unverified are the blocks that Verify has to verify once the server runs, and Read is how many bytes of the others were read.
	Unverified []Block
	Read       int64
}

// Streams returns the sorted names of the streams with losses.
func (r *Result) Streams() []string {
	var names []string
	for _, d := range r.Losses {
		names = append(names, d.Stream)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Options are options of Recover.
type Options struct {
	// AcceptLoss keeps the intact data of a damaged store.
	AcceptLoss bool
	// Defer leaves what can be verified while the server runs to Verify, which the caller must call.
	Defer bool
}

// Recover checks the store and repairs it so that a server can open it. If repairs would lose data it fails with a
// *DamageError and changes nothing, unless the loss is accepted. Nothing is deleted: damaged files are moved to a directory below
// DATA_DIR/damaged.
//
// A store of an older version without a manifest is not checked for missing streams. Recover reads the whole store, but with
// Defer and after an orderly stop only the last megabytes of each stream; the sizes of all files are checked even then.
func (s *Store) Recover(opts Options) (*Result, error) {
	m, err := s.manifest()
	isUnreadable := errors.Is(err, errUnreadable)
	if err != nil && !isUnreadable {
		return nil, err
	}
	f, err := s.check(m, opts.Defer && !opts.AcceptLoss)
	if err != nil {
		return nil, err
	}
	if len(f.damages) > 0 && !opts.AcceptLoss {
		return nil, &DamageError{Dir: s.dir, Damages: f.damages}
	}
	if err := s.rememberSynced(f); err != nil {
		return nil, err
	}
	// The repairs and the server will change the store.
	if err := s.ForgetStop(); err != nil {
		return nil, err
	}
	a := &aside{store: s}
	result := &Result{Unverified: f.deferred, Read: f.read}
	if isUnreadable {
		if err := a.move(manifestFile); err != nil {
			return nil, err
		}
		result.Repairs = append(result.Repairs, "the list of streams, "+manifestFile+", was damaged and is rewritten")
	}
	if err := f.apply(a, result); err != nil {
		return nil, err
	}
	result.Aside = a.dir
	return result, s.recordEmpty()
}

func (f *findings) apply(a *aside, result *Result) error {
	for _, path := range f.unclean {
		if err := remove(filepath.Join(f.store.dir, path)); err != nil {
			return err
		}
	}
	for _, r := range f.repairs {
		if err := a.move(r.path); err != nil {
			return err
		}
		if r.restore != nil {
			if err := r.restore(); err != nil {
				return err
			}
		}
		if r.routine {
			result.Routine = append(result.Routine, r.what)
		} else {
			result.Repairs = append(result.Repairs, r.what)
		}
	}
	return f.accept(a, result)
}

// accept moves the damaged files aside. The manifest drops a stream only after the stream was moved, so that an
// interruption leaves a store whose damage is still detected.
func (f *findings) accept(a *aside, result *Result) error {
	salvaged := make(map[string]bool)
	for _, d := range f.damages {
		result.Losses = append(result.Losses, d)
		switch {
		case d.whole:
			rel := d.Path
			if filepath.Base(rel) == metaFile {
				rel = filepath.Dir(rel)
			}
			if err := a.move(rel); err != nil {
				return err
			}
			delete(f.manifest.Streams, rel)
		case len(d.check.bad) > 0 && !salvaged[d.Path]:
			salvaged[d.Path] = true
			if err := f.salvage(a, d); err != nil {
				return err
			}
		case len(d.check.bad) == 0:
			// The index may still list the lost messages.
			if err := a.move(filepath.Join(filepath.Dir(d.Path), indexFile)); err != nil {
				return err
			}
		}
	}
	if len(f.damages) == 0 || f.manifest.Streams == nil {
		return nil
	}
	return writeFile(filepath.Join(f.store.dir, manifestFile), f.manifest)
}

// salvage keeps the intact records of a damaged block.
func (f *findings) salvage(a *aside, d Damage) error {
	dir := filepath.Dir(d.Path)
	full := filepath.Join(f.store.dir, d.Path)
	hasher, err := newRecordHasher(d.Stream, d.block)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(full)
	if err != nil {
		return fmt.Errorf("salvage: %w", err)
	}
	// The server does not read the block if there is an index.
	if err := a.move(filepath.Join(dir, indexFile)); err != nil {
		return err
	}
	if err := a.copy(d.Path, data); err != nil {
		return err
	}
	numbers := blocks(filepath.Join(f.store.dir, dir))
	return writeAtomic(full, salvage(hasher, data, d.check, d.block == numbers[len(numbers)-1]))
}

// KeepConsumer copies a consumer's state to the directory of a result's damaged files. It may be called while the server
// runs.
func (s *Store) KeepConsumer(stream, consumer string, result *Result) error {
	dirs, err := s.streamDirs()
	if err != nil {
		return err
	}
	a := &aside{store: s, dir: result.Aside}
	for _, rel := range dirs {
		path := filepath.Join(rel, consumersDir, consumer, stateFile)
		data, err := os.ReadFile(filepath.Join(s.dir, path))
		switch {
		case filepath.Base(rel) != stream || errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return fmt.Errorf("keep state of consumer: %w", err)
		}
		if err := a.copy(path, data); err != nil {
			return err
		}
	}
	result.Aside = a.dir
	return nil
}

// aside is a directory for damaged files, created for the first one.
type aside struct {
	store *Store
	dir   string
}

// move moves a file or directory, if it exists, aside. rel is relative to DATA_DIR.
func (a *aside) move(rel string) error {
	from := filepath.Join(a.store.dir, rel)
	if _, err := os.Lstat(from); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	to, err := a.target(rel)
	if err != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return fmt.Errorf("move damaged files aside: %w", err)
	}
	return errors.Join(syncDir(filepath.Dir(to)), syncDir(filepath.Dir(from)))
}

// copy writes the content of a file aside.
func (a *aside) copy(rel string, data []byte) error {
	to, err := a.target(rel)
	if err != nil {
		return err
	}
	return writeAtomic(to, data)
}

func (a *aside) target(rel string) (string, error) {
	if a.dir == "" {
		stamp := filepath.Join(a.store.dir, asideDir, a.store.now().UTC().Format("20060102T150405Z"))
		dir := stamp
		for n := 2; ; n++ {
			err := os.MkdirAll(filepath.Dir(dir), 0o700)
			if err == nil {
				err = os.Mkdir(dir, 0o700)
			}
			if err == nil {
				break
			}
			if !errors.Is(err, fs.ErrExist) {
				return "", fmt.Errorf("create directory for damaged files: %w", err)
			}
			dir = fmt.Sprintf("%s-%d", stamp, n)
		}
		a.dir = dir
	}
	to := filepath.Join(a.dir, rel)
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return "", fmt.Errorf("create directory for damaged files: %w", err)
	}
	return to, nil
}
