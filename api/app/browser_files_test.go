package app_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"slices"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// archiveScript packs pictures of three formats and sound with their settings inside, reads the settings back, and returns
// what was wrong and the archive in base64.
const archiveScript = `(async () => {
  const { withSettings, readSettings } = await import('/assets/js/embed.js');
  const { zip } = await import('/assets/js/archive.js');
  const faults = [];
  const settings = { prompt: '"灯塔" – dusk', seed: 5 };
  const canvas = document.createElement('canvas');
  canvas.width = 33;
  canvas.height = 21;
  canvas.getContext('2d').fillRect(3, 3, 9, 9);
  const sounds = {
    'audio/mpeg': [0xff, 0xfb, 0x90], 'audio/flac': [0x66, 0x4c, 0x61, 0x43, 0x80, 0, 0, 34],
    'audio/wav': [0x52, 0x49, 0x46, 0x46, 0xff, 0xff, 0xff, 0xff, 0x57, 0x41, 0x56, 0x45, 0x64, 0x61, 0x74, 0x61, 0xff, 0xff, 0xff, 0xff],
  };
  const originals = [
    ...await Promise.all(['image/jpeg', 'image/png', 'image/webp'].map((type) => new Promise((done) => { canvas.toBlob(done, type); }))),
    ...Object.entries(sounds).map(([type, head]) => new Blob([new Uint8Array(head), new Uint8Array(100)], { type })),
  ];
  const files = [];
  for (const original of originals) {
    const blob = await withSettings(original, settings);
    if (JSON.stringify(await readSettings(blob)) !== JSON.stringify(settings)) faults.push(blob.type + ': the settings do not come back');
    if (await readSettings(original)) faults.push(blob.type + ' has settings from the start');
    await readSettings(blob.slice(0, 50)); // Damaged; it must not throw.
    if (blob.type.startsWith('image/') && (await createImageBitmap(blob)).width !== 33) faults.push(blob.type + ' is not a picture any more');
    files.push({ name: '灯塔.bin', blob, date: new Date(2026, 1, 3, 4, 5, 6) });
  }
  const bytes = new Uint8Array(await (await zip(files)).arrayBuffer());
  return { faults, archive: btoa(String.fromCharCode(...bytes)) };
})()`

// checkArchive downloads several files as one, and puts settings inside files.
func checkArchive(t *testing.T, p *tab) {
	t.Helper()
	got := value[struct {
		Faults  []string `json:"faults"`
		Archive string   `json:"archive"`
	}](p, t, archiveScript)
	for _, fault := range got.Faults {
		t.Error(fault)
	}
	packed, err := base64.StdEncoding.DecodeString(got.Archive)
	if err != nil {
		t.Fatal(err)
	}
	archive, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range archive.File {
		names = append(names, f.Name)
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		// The reader compares the checksum at the end.
		if n, err := io.Copy(io.Discard, r); err != nil || uint64(n) != f.UncompressedSize64 || f.NonUTF8 {
			t.Errorf("%s: %d bytes, %v", f.Name, n, err)
		}
		if year, month, day := f.Modified.Date(); year != 2026 || month != 2 || day != 3 {
			t.Errorf("%s is of %v", f.Name, f.Modified)
		}
	}
	if want := []string{"灯塔.bin", "灯塔 (2).bin", "灯塔 (3).bin", "灯塔 (4).bin", "灯塔 (5).bin", "灯塔 (6).bin"}; !slices.Equal(names, want) {
		t.Errorf("the archive has %q, want %q", names, want)
	}
}

// showWithoutThumbnails makes an image while no thumbnail can be had, as from a busy server: the file itself is shown.
func showWithoutThumbnails(ctx context.Context, t *testing.T, i *instance) {
	p := newTab(ctx, t, desktop)
	p.expected = "ERR_BLOCKED_BY_CLIENT"
	p.open(t, i.URL()+"/")
	p.do(t, "make an image", network.SetBlockedURLs([]string{"*?w=*"}), chromedp.SendKeys("#image-prompt", "A lighthouse in fog", chromedp.ByID),
		press("Enter", input.ModifierCtrl), chromedp.WaitVisible(`.frame[data-state="image"] img.loaded:not([src*="?w="])`))
	p.check(t, "gallery/without-thumbnails")
}
