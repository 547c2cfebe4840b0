package gallery_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/gallery"
)

// webps returns images of one pixel, lossy and lossless.
func webps(t testing.TB) [][]byte {
	t.Helper()
	var list [][]byte
	for _, text := range []string{
		"UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA",
		"UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==",
	} {
		data, err := base64.StdEncoding.DecodeString(text)
		must(t, err)
		list = append(list, data)
	}
	return list
}

// pngSized returns a complete PNG whose header states a width and height.
func pngSized(t testing.TB, width, height uint32) []byte {
	t.Helper()
	data := pngOf(t, image.NewGray(image.Rect(0, 0, 1, 1)))
	binary.BigEndian.PutUint32(data[16:], width)
	binary.BigEndian.PutUint32(data[20:], height)
	binary.BigEndian.PutUint32(data[29:], crc32.ChecksumIEEE(data[12:29]))
	return data
}

// jpegSized returns a complete JPEG whose header states a width and height.
func jpegSized(t testing.TB, width, height uint16) []byte {
	t.Helper()
	data := jpegOf(t, image.NewGray(image.Rect(0, 0, 8, 8)))
	at := bytes.Index(data, []byte{0xff, 0xc0})
	binary.BigEndian.PutUint16(data[at+5:], height)
	binary.BigEndian.PutUint16(data[at+7:], width)
	return data
}

func TestInspect(t *testing.T) {
	t.Parallel()
	jpeg := jpegOf(t, noise(40, 1))
	comment := append([]byte{0xff, 0xd8, 0xff, 0xfe, 0, 12}, "<script>//"...)
	for name, c := range map[string]struct {
		data          []byte
		contentType   string
		width, height int
	}{
		"png":               {pngOf(t, noise(9, 1)), "image/png", 9, 9},
		"jpeg":              {jpeg, "image/jpeg", 40, 40},
		"lossy webp":        {webps(t)[0], "image/webp", 1, 1},
		"lossless webp":     {webps(t)[1], "image/webp", 1, 1},
		"largest":           {pngSized(t, 32<<10, 1<<10), "image/png", 32 << 10, 1 << 10},
		"HTML in a comment": {append(comment, jpeg[2:]...), "image/jpeg", 40, 40},
	} {
		for _, behind := range []string{"", "\x00", "<!doctype html><script>alert(1)</script>", "PK\x03\x04", string(jpeg)} {
			found, err := gallery.Inspect(append(bytes.Clone(c.data), behind...))
			if err != nil || found.ContentType != c.contentType || found.Width != c.width || found.Height != c.height || !bytes.Equal(found.Data, c.data) {
				t.Errorf("%s and %q: %+v, %v", name, behind, found, err)
			}
		}
		for n := range c.data {
			if found, err := gallery.Inspect(c.data[:n]); !errors.Is(err, gallery.ErrDamaged) && !errors.Is(err, gallery.ErrType) {
				t.Errorf("%s, cut to %d of %d bytes: %+v, %v", name, n, len(c.data), found, err)
			}
		}
	}
}

func TestInspectErrors(t *testing.T) {
	t.Parallel()
	png, jpeg := pngOf(t, noise(9, 1)), jpegOf(t, noise(9, 1))
	headless := bytes.Clone(png)
	copy(headless[12:], "XHDR")
	longChunk := bytes.Clone(png)
	binary.BigEndian.PutUint32(longChunk[8:], 1<<31)
	noIDAT := append(bytes.Clone(png[:33]), png[len(png)-12:]...)
	webp := webps(t)[0]
	longer := bytes.Clone(webp)
	binary.LittleEndian.PutUint32(longer[4:], 1<<31)
	emptyWebP := []byte("RIFF\x04\x00\x00\x00WEBP")
	for name, c := range map[string]struct {
		data []byte
		want error
	}{
		"nothing":                   {nil, gallery.ErrType},
		"text":                      {[]byte("canary"), gallery.ErrType},
		"svg":                       {[]byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`), gallery.ErrType},
		"html":                      {[]byte("<!doctype html><script>alert(1)</script>"), gallery.ErrType},
		"html, then a png":          {append([]byte("<html><!--"), png...), gallery.ErrType},
		"gif":                       {[]byte("GIF89a\x01\x00\x01\x00\x00\x00\x00;"), gallery.ErrType},
		"pdf":                       {[]byte("%PDF-1.7"), gallery.ErrType},
		"avif":                      {[]byte("\x00\x00\x00\x1cftypavif"), gallery.ErrType},
		"audio":                     {[]byte("RIFF\x24\x00\x00\x00WAVEfmt "), gallery.ErrType},
		"only a signature":          {[]byte("\x89PNG\r\n\x1a\n"), gallery.ErrDamaged},
		"png without a header":      {headless, gallery.ErrDamaged},
		"png with an endless chunk": {longChunk, gallery.ErrDamaged},
		"png without IDAT":          {noIDAT, gallery.ErrDamaged},
		"png of width 0":            {pngSized(t, 0, 5), gallery.ErrDamaged},
		"png bomb":                  {pngSized(t, 100_000, 100_000), gallery.ErrDimensions},
		"png, one row too many":     {pngSized(t, 32<<10, 1<<10+1), gallery.ErrDimensions},
		"jpeg bomb":                 {jpegSized(t, 65_000, 65_000), gallery.ErrDimensions},
		"jpeg without a scan":       {[]byte{0xff, 0xd8, 0xff, 0xd9}, gallery.ErrDamaged},
		"jpeg with a second SOI":    {append(bytes.Clone(jpeg[:2]), jpeg...), gallery.ErrDamaged},
		"jpeg with a bad length":    {[]byte{0xff, 0xd8, 0xff, 0xe0, 0, 1, 0xff, 0xd9}, gallery.ErrDamaged},
		"webp with a bad length":    {longer, gallery.ErrDamaged},
		"empty webp":                {emptyWebP, gallery.ErrDamaged},
		"too large":                 {append(bytes.Clone(png), make([]byte, gallery.MaxBytes)...), gallery.ErrTooLarge},
	} {
		if found, err := gallery.Inspect(c.data); !errors.Is(err, c.want) {
			t.Errorf("%s: %+v, %v; want %v", name, found, err, c.want)
		}
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	data := []byte("\xff\xfe\xfd\xfc")
	for text, want := range map[string]error{
		"//79/A==": nil, "//79/A": nil, " //79/A==\n": nil, "//79\r\n/A==": nil,
		"data:image/jpeg;base64,//79/A==": nil, "data:;base64,//79/A==": nil, "data:text/html;base64,//79/A==": nil,
		"": gallery.ErrEncoding, "====": gallery.ErrEncoding, "//79/A=x": gallery.ErrEncoding, "__79_A==": nil, " //79 \t/A==\n": nil, "\nDATA:image/PNG;BASE64,//79/A==": nil,
		"data:image/png,//79/A==": gallery.ErrEncoding, "data:image/png;base64,": gallery.ErrEncoding, "!": gallery.ErrEncoding,
		strings.Repeat("A", 4*(gallery.MaxBytes/3+1)): gallery.ErrTooLarge, strings.Repeat("A", 3*gallery.MaxBytes): gallery.ErrTooLarge,
	} {
		got, err := gallery.Decode(text)
		if !errors.Is(err, want) || (want == nil && !bytes.Equal(got, data)) {
			t.Errorf("%.40q: %x, %v; want %v", text, got, err, want)
		}
	}
	if got, err := gallery.Decode(base64.StdEncoding.EncodeToString(make([]byte, gallery.MaxBytes))); err != nil || len(got) != gallery.MaxBytes {
		t.Errorf("the largest: %d, %v", len(got), err)
	}
}

func FuzzInspect(f *testing.F) {
	for _, data := range append(webps(f), pngOf(f, noise(9, 1)), jpegOf(f, noise(9, 1)), []byte("<svg/>"), pngSized(f, 1<<20, 1<<20)) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		found, err := gallery.Inspect(data)
		if err != nil {
			return
		}
		if !bytes.HasPrefix(data, found.Data) || found.Width <= 0 || found.Height <= 0 || found.Width*found.Height > 32<<20 {
			t.Fatalf("%s of %d × %d, %d bytes of %d", found.ContentType, found.Width, found.Height, len(found.Data), len(data))
		}
		again, err := gallery.Inspect(found.Data)
		if err != nil || len(again.Data) != len(found.Data) || again.ContentType != found.ContentType {
			t.Fatalf("inspected again: %+v, %v", again, err)
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add("data:image/png;base64,iVBORw0KGgo=")
	f.Fuzz(func(t *testing.T, text string) {
		if data, err := gallery.Decode(text); err == nil && len(data) > gallery.MaxBytes {
			t.Fatalf("%d bytes", len(data))
		}
	})
}
