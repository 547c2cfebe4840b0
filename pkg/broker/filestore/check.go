package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Damage is damage to the store that cannot be repaired without loss.
type Damage struct {
	// Stream is the name of the affected stream.
	Stream string
	// Path is the damaged file or directory, relative to DATA_DIR.
	Path string
	// Reason describes the damage.
	Reason string

	// whole reports that the stream cannot be opened at all.
	whole bool
	// block is the number of the damaged block, and check the result of verifying it.
	block int
	check blockCheck
}

func (d Damage) String() string { return fmt.Sprintf("stream %s: %s: %s", d.Stream, d.Path, d.Reason) }

// DamageError is returned when starting on the store would lose data.
type DamageError struct {
	Dir     string
	Damages []Damage
}

// maxListed bounds how many damages an error lists.
const maxListed = 20

// Error lists the damages, one per line, and the actions an operator can take.
func (e *DamageError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the store in %s is damaged, and starting on it would lose data:\n", e.Dir)
	for i, d := range e.Damages {
		if i == maxListed {
			fmt.Fprintf(&b, "  and %d more\n", len(e.Damages)-i)
			break
		}
		fmt.Fprintf(&b, "  %s\n", d)
	}
	fmt.Fprintf(&b, "Restore DATA_DIR from a backup; or start once with DATA_LOSS=accept, which moves the damaged files to %s and continues with the rest.",
		filepath.Join(e.Dir, asideDir))
	return b.String()
}

// findings is the result of checking the store: damages, and planned repairs.
type findings struct {
	store    *Store
	manifest manifest
	stop     *stopRecord
	floors   map[string]int
	// empty are the streams that had no message when a start was interrupted.
	empty   []string
	damages []Damage
	repairs []repair
	// blocks are to be verified before the start, and deferred ones after it if mayDefer is set.
	blocks, deferred []Block
	mayDefer         bool
	// read is how many bytes of blocks were verified.
	read int64
	// unclean are indexes to remove silently after a crash: they have no checksum, or are outdated.
	unclean []string
}

// repair is a planned change without loss.
type repair struct {
	// path is the file or directory that is moved aside.
	path, what string
	// routine reports that a crash is the cause, not damage.
	routine bool
	// restore, if not nil, writes a replacement.
	restore func() error
}

// check verifies every stream. It changes nothing.
func (s *Store) check(m manifest, mayDefer bool) (*findings, error) {
	f := &findings{store: s, manifest: m, stop: s.stopped(), floors: s.readFloors(), empty: s.wereEmpty(), mayDefer: mayDefer}
	dirs, err := s.streamDirs()
	if err != nil {
		return nil, err
	}
	for _, rel := range dirs {
		if err := f.stream(rel); err != nil {
			return nil, err
		}
	}
	for rel, entry := range m.Streams {
		if !slices.Contains(dirs, rel) && slices.Contains(s.streams, entry.Name) {
			f.damage(Damage{Stream: entry.Name, Path: rel, Reason: "the directory of the stream is missing", whole: true})
		}
	}
	damages, read, err := s.verify(f.blocks)
	if err != nil {
		return nil, err
	}
	f.read = read
	f.damages = append(f.damages, damages...)
	slices.SortStableFunc(f.damages, func(a, b Damage) int { return strings.Compare(a.Path, b.Path) })
	return f, nil
}

func (f *findings) damage(d Damage) { f.damages = append(f.damages, d) }

func (f *findings) stream(rel string) error {
	s, name := f.store, filepath.Base(rel)
	dir, known := filepath.Join(s.dir, rel), f.manifest.Streams[rel]
	m, err := readMeta(dir, name)
	switch {
	case err == nil:
	case known != nil && known.Meta.check(name) == nil:
		m = known.Meta
		f.repairMeta(rel, fmt.Sprintf("the configuration of stream %s was damaged (%v) and is restored from %s", name, err, manifestFile), m)
	case known == nil && isEmpty(dir):
		f.repairs = append(f.repairs, repair{path: rel, what: "the creation of stream " + name + " was interrupted; it is recreated", routine: true})
		return nil
	default:
		f.damage(Damage{Stream: name, Path: filepath.Join(rel, metaFile), Reason: err.Error(), whole: true})
		return nil
	}
	if err := f.messages(rel, m, known != nil); err != nil {
		return err
	}
	f.derived(rel)
	for _, consumer := range subdirs(filepath.Join(dir, consumersDir)) {
		f.consumer(rel, consumer, known)
	}
	return nil
}

// repairMeta plans to replace a damaged configuration by an intact copy.
func (f *findings) repairMeta(rel, what string, m meta) {
	dir := filepath.Join(f.store.dir, rel)
	f.repairs = append(f.repairs,
		repair{path: filepath.Join(rel, sumFile), routine: true, what: "part of the next repair"},
		repair{path: filepath.Join(rel, metaFile), what: what, restore: func() error { return m.write(dir) }})
}

// isEmpty reports whether a stream holds no message.
func isEmpty(dir string) bool {
	if subdirs(filepath.Join(dir, purgedDir)) != nil || len(blocks(filepath.Join(dir, purgedDir))) > 0 {
		return false
	}
	for _, block := range blocks(filepath.Join(dir, messagesDir)) {
		info, err := os.Stat(filepath.Join(dir, messagesDir, blockName(block)))
		if err != nil || info.Size() > 0 {
			return false
		}
	}
	return true
}

// messages plans to verify every record of a stream: after an orderly stop the older ones once the server runs. After an unclean
// stop the server reads the whole stream too, and truncates a damaged block.
func (f *findings) messages(rel string, m meta, known bool) error {
	s, name := f.store, filepath.Base(rel)
	dir := filepath.Join(rel, messagesDir)
	numbers := blocks(filepath.Join(s.dir, dir))
	changed := f.changed(rel, name)
	if len(numbers) == 0 && !changed && known && !slices.Contains(f.empty, rel) {
		// An interrupted purge leaves the blocks in another directory, where the server finds them.
		if _, err := os.Stat(filepath.Join(s.dir, rel, purgedDir)); errors.Is(err, fs.ErrNotExist) {
			f.damage(Damage{Stream: name, Path: dir, Reason: "the stream has no message blocks"})
		}
	}
	if _, err := os.Stat(filepath.Join(s.dir, rel, keyFile)); err == nil || m.stream().isCompressed() {
		return nil // The stream is encrypted or compressed, which this program never configures.
	}
	list := make([]Block, len(numbers))
	for i, number := range numbers {
		path := filepath.Join(dir, blockName(number))
		info, err := os.Stat(filepath.Join(s.dir, path))
		if err != nil {
			return fmt.Errorf("check stream %s: %w", name, err)
		}
		// After a clean stop nothing was being written. A power failure may cut off every block that was not synced.
		unsynced := i == len(numbers)-1 || (f.floors[name] > 0 && number >= f.floors[name])
		list[i] = Block{stream: name, path: path, number: number, size: info.Size(), unsynced: unsynced && f.stop == nil}
	}
	if f.stop == nil && len(list) > 0 && s.outdated(rel, list[len(list)-1]) {
		f.unclean = append(f.unclean, filepath.Join(dir, indexFile))
	}
	if f.mayDefer && f.stop != nil && !changed {
		if deferred, now := later(list); len(deferred) > 0 && f.stop.lists(list) && s.indexed(rel, list[len(list)-1]) {
			f.deferred, list = append(f.deferred, deferred...), now
		}
	}
	f.blocks = append(f.blocks, list...)
	return nil
}

func (i streamInfo) isCompressed() bool { return i.Compression != "" && i.Compression != "none" }

// changed adds a damage for each block of a stream that is missing or has another size than at the last stop, and reports
// whether there are any.
func (f *findings) changed(rel, stream string) (changed bool) {
	if f.stop == nil {
		return false
	}
	for path, want := range f.stop.Files {
		if filepath.Dir(path) != filepath.Join(rel, messagesDir) || want.Hash != "" {
			continue
		}
		info, err := os.Stat(filepath.Join(f.store.dir, path))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			f.damage(Damage{Stream: stream, Path: path, Reason: "the message block is missing"})
		case err != nil:
			f.damage(Damage{Stream: stream, Path: path, Reason: err.Error()})
		case info.Size() != want.Size:
			f.damage(Damage{
				Stream: stream, Path: path,
				Reason: fmt.Sprintf("the message block has %d bytes; it had %d when the program stopped", info.Size(), want.Size),
			})
		default:
			continue
		}
		changed = true
	}
	return changed
}

// derived plans to remove indexes that cannot be trusted. The server rebuilds them.
func (f *findings) derived(rel string) {
	for _, name := range derivedFiles {
		path := filepath.Join(rel, messagesDir, name)
		data, err := os.ReadFile(filepath.Join(f.store.dir, path))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case f.stop == nil:
			f.unclean = append(f.unclean, path)
		case err != nil || f.stop.Files[path].Hash != hashOf(data):
			f.repairs = append(f.repairs, repair{path: path, what: "an index of stream " + filepath.Base(rel) + " was damaged and is rebuilt"})
		}
	}
}

// consumer checks one consumer. The loss of its state loses which jobs were delivered, and how often.
func (f *findings) consumer(rel, consumer string, known *streamEntry) {
	stream := filepath.Base(rel)
	dir := filepath.Join(rel, consumersDir, consumer)
	if _, err := readMeta(filepath.Join(f.store.dir, dir), stream+"/"+consumer); err != nil {
		copied := meta{}
		if known != nil {
			copied = known.Consumers[consumer]
		}
		if copied.check(stream+"/"+consumer) != nil {
			f.repairs = append(f.repairs, repair{
				path: dir,
				what: fmt.Sprintf("the configuration of consumer %s was damaged (%v); it is recreated, and its jobs are delivered again", consumer, err),
			})
			return
		}
		f.repairMeta(dir, fmt.Sprintf("the configuration of consumer %s was damaged (%v) and is restored from %s", consumer, err, manifestFile), copied)
	}
	path := filepath.Join(dir, stateFile)
	data, err := os.ReadFile(filepath.Join(f.store.dir, path))
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		err = checkConsumerState(data, f.store.now())
	}
	if err == nil && f.stop != nil {
		if want, ok := f.stop.Files[path]; ok && want.Hash != hashOf(data) {
			err = errors.New("it was changed since the program stopped")
		}
	}
	if err != nil {
		f.repairs = append(f.repairs, repair{
			path: path,
			what: fmt.Sprintf("the state of consumer %s was damaged (%v); unacknowledged jobs are delivered again", consumer, err),
		})
	}
}
