package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Result is what Recover has done.
type Result struct {
	// Repairs says what was repaired without loss, a sentence each.
	Repairs []string
	// Routine says what an interrupted write or creation had left, which is no damage.
	Routine []string
	// Losses are the damages that were accepted.
	Losses []Damage
	// Aside is the directory to which damaged files were moved, or "".
	Aside string
}

// Streams names the streams that have lost something.
func (r *Result) Streams() []string {
	var names []string
	for _, d := range r.Losses {
		names = append(names, d.Stream)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Recover checks the store and makes it fit for a server to open. What can be repaired without loss is; for the rest it
// fails with a *DamageError and changes nothing, unless accept is set: then it keeps what is intact. Nothing is
// deleted: damaged files are moved to a directory below DATA_DIR/damaged.
//
// A store without a manifest, as versions before this one leave it, is taken as it is.
// It costs reading the whole store.
func (s *Store) Recover(accept bool) (*Result, error) {
	m, err := s.manifest()
	isUnreadable := errors.Is(err, errUnreadable)
	if err != nil && !isUnreadable {
		return nil, err
	}
	f, err := s.check(m)
	if err != nil {
		return nil, err
	}
	if len(f.damages) > 0 && !accept {
		return nil, &DamageError{Dir: s.dir, Damages: f.damages}
	}
	// It does not hold once something is changed, and a server is about to.
	if err := s.ForgetStop(); err != nil {
		return nil, err
	}
	a := &aside{store: s}
	result := &Result{}
	if isUnreadable {
		if err := a.move(manifestFile); err != nil {
			return nil, err
		}
		result.Repairs = append(result.Repairs, "the list of streams, "+manifestFile+", was damaged and is written again")
	}
	if err := f.apply(a, result); err != nil {
		return nil, err
	}
	result.Aside = a.dir
	return result, nil
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

// accept goes on without what is lost. The manifest forgets a stream only once the stream is out of the way, so that an
// interruption leaves a store that is still known to be damaged.
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
			// The index may still list what is gone.
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
	// With its index the server would not read the block.
	if err := a.move(filepath.Join(dir, indexFile)); err != nil {
		return err
	}
	if err := a.copy(d.Path, data); err != nil {
		return err
	}
	numbers := blocks(filepath.Join(f.store.dir, dir))
	return writeAtomic(full, salvage(hasher, data, d.check, d.block == numbers[len(numbers)-1]))
}

// KeepConsumer puts a copy of a consumer's state aside, to the other files of a result. It may be called while the server
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

// aside is a directory for damaged files, made when the first one comes.
type aside struct {
	store *Store
	dir   string
}

// move moves a file or directory, by its path relative to DATA_DIR, aside. What is not there is no error.
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

// copy keeps a copy of a file's content.
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
				return "", fmt.Errorf("make directory for damaged files: %w", err)
			}
			dir = fmt.Sprintf("%s-%d", stamp, n)
		}
		a.dir = dir
	}
	to := filepath.Join(a.dir, rel)
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return "", fmt.Errorf("make directory for damaged files: %w", err)
	}
	return to, nil
}
