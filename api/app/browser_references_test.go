package app_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// dropFile drops a file on the page: a picture of one color, with settings inside if there are any.
const dropFile = `(async (color, settings, broken) => {
  const canvas = Object.assign(document.createElement('canvas'), { width: 64, height: 48 });
  const context = canvas.getContext('2d');
  context.fillStyle = color;
  context.fillRect(0, 0, 64, 48);
  let blob = broken ? new Blob(['no picture']) : await new Promise((done) => { canvas.toBlob(done, 'image/png'); });
  if (settings) blob = await (await import('/assets/js/embed.js')).withSettings(blob, settings);
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([blob], color + '.png', { type: 'image/png' }));
  document.querySelector('#image-prompt').dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true }));
})`

// referTo makes works that follow reference pictures: a work, and files that are chosen and dropped.
func referTo(ctx context.Context, t *testing.T, i *instance) {
	for _, s := range []screen{desktop, phone} {
		p := newTab(ctx, t, s)
		p.expected = "ERR_INTERNET_DISCONNECTED"
		references := func(n int) chromedp.Action {
			return until(fmt.Sprintf(`document.querySelectorAll('#references li').length === %d && document.querySelector('.reference-done:not([hidden])') === null`, n))
		}
		drop := func(arguments string) chromedp.Action { return chromedp.Evaluate(dropFile+"("+arguments+")", nil) }
		send := chromedp.Tasks{chromedp.Focus("#image-prompt", chromedp.ByID), press("Enter", input.ModifierCtrl)}
		p.open(t, i.URL()+"/?lang="+s.lang)
		p.do(t, "make a work", until(isLive), until(`document.querySelector('#image-model').length > 1`), chromedp.SendKeys("#image-prompt", "A heron in the reeds", chromedp.ByID), press("Enter", input.ModifierCtrl),
			folded, chromedp.WaitVisible(`.frame[data-state="image"] img.loaded`))
		work := value[string](p, t, `document.querySelector('.frame').dataset.key`)
		p.do(t, "use it as a reference", chromedp.Click(`.frame[data-state="image"] .open`), chromedp.WaitVisible("#work[open] #work-actions"),
			chromedp.Evaluate(`document.querySelector('#work-actions button:has([d^="M13 5H4v14"])').click()`, nil), chromedp.WaitNotPresent("#work[open]"), references(1))
		model := value[string](p, t, `document.querySelector('#image-model').value`)
		if model == "" || model == "flux" {
			t.Errorf("the model is still %q, which takes no reference pictures", model)
		}

		p.do(t, "drop a picture", drop(`'teal'`), references(2))
		file := filepath.Join(t.TempDir(), "grey.png")
		var picture bytes.Buffer
		if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 32, 32))); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, picture.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		p.do(t, "choose one, without a connection at first", offline(true), chromedp.SetUploadFiles("#reference-file", []string{file}, chromedp.NodeReady),
			chromedp.WaitVisible("#toasts .toast.bad button"), references(2), offline(false), until(isLive), chromedp.Click("#toasts .toast.bad button"), references(3))
		p.do(t, "drop what is no picture", drop(`'red', null, true`), until(`document.querySelector('#toasts').textContent.includes('red.png')`), references(3),
			chromedp.Evaluate("document.querySelector('#toasts').replaceChildren(); seen.moved = 0", nil))
		p.check(t, "references")
		p.accessible(t, "references")

		p.do(t, "load the page again", chromedp.Reload(), until(isReady), references(3), until(`[...document.querySelectorAll('#references img')].every((image) => image.naturalWidth > 0)`))
		// With a real pointer and real keys, as a person would: a script's changes would count as movement by itself.
		p.do(t, "open the composer", chromedp.Click("#image-prompt", chromedp.ByID), chromedp.Click(`#panel-image [data-chip="model"]`), chromedp.WaitVisible("#image-model"))
		p.do(t, "choose a model without them", chromedp.Click(`#image-model option[value="flux"]`), until(`document.querySelector('#references-note button') !== null`))
		p.do(t, "try to send", press("Escape", 0), send, chromedp.WaitVisible("#references-note button"), focusIs("#references-note button"))
		p.check(t, "references/without")
		p.do(t, "take the other one, and remove the last picture", press("Enter", 0), focusIs("#image-prompt"), chromedp.WaitNotPresent("#references-note button"),
			chromedp.Focus("#references li:last-child button"), press("Enter", 0), references(2), focusIs("#references li:last-child button"))
		p.do(t, "send them", send, until(`document.querySelectorAll('.frame[data-state="image"]').length === 2`))
		i.Cookie = p.cookie(t, i.URL())
		var list struct {
			Jobs []struct {
				Input struct {
					References []string `json:"reference_images"`
				}
			}
		}
		i.Do(t, http.MethodGet, "/api/jobs?limit=1", nil).Decode(t, &list)
		if got := list.Jobs[0].Input.References; len(got) != 2 || got[0] != "job:"+strings.Replace(work, ":", "/", 1) || !strings.HasPrefix(got[1], "upload:") {
			t.Errorf("the job has the references %q", got)
		}
		p.do(t, "send one while it is uploaded", drop(`'teal'`), drop(`'olive'`), until(`document.querySelectorAll('#references li').length > 2`), send,
			until(`document.querySelectorAll('.frame').length === 3`), references(3))
		p.do(t, "drop a picture with settings", drop(`'navy', { prompt: 'A lighthouse', seed: 7 }`), until(`document.querySelector('#image-prompt').value === 'A lighthouse'`), references(0),
			chromedp.Click("#toasts button"), references(1))
	}
}
