package app_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

const (
	onlyFrame = `.frame:only-child[data-state="batch"]`
	inSeries  = `#work[open] .series .frame`
)

// makeBatch makes a work for each line of a text, which are one work on the sheet: with faults of lines, its frames in a dialog,
// a retry of what failed, and a deletion that is taken back.
func makeBatch(ctx context.Context, t *testing.T, i *instance) {
	for _, s := range []screen{desktop, phone} {
		p := newTab(ctx, t, s)
		p.expected = "400"
		p.open(t, i.URL()+"/?lang="+s.lang)
		submit := press("Enter", input.ModifierCtrl)
		p.do(t, "write lines", chromedp.Click("#image-prompt"), chromedp.SendKeys("#image-prompt", "A heron in the reeds\nA kestrel\n\nA swallow", chromedp.ByID),
			chromedp.WaitVisible("#image-lines"), chromedp.Click("#image-lines"), until(`document.querySelector('#panel-image .primary').textContent.includes('3')`))
		p.check(t, "batch/lines")

		// The page does not know of a limit that only the server has.
		p.do(t, "send a line that the server refuses", chromedp.Evaluate(`document.querySelector('#image-prompt').dataset.max = 9000`, nil),
			chromedp.SetValue("#image-prompt", "A heron in the reeds\n\n"+strings.Repeat("x", 4001)+"\nA swallow", chromedp.ByID), submit,
			chromedp.WaitVisible(".line-faults li"), focusIs("#image-prompt"))
		if got := value[string](p, t, `document.querySelector('.line-faults').textContent`); !strings.Contains(got, "3") || strings.Contains(got, "1:") {
			t.Errorf("the fault is %q, want one of line 3", got)
		}
		p.check(t, "batch/faults")
		p.do(t, "correct it", chromedp.KeyEvent("A kestrel"), chromedp.WaitNotPresent(".line-faults"), submit, folded,
			until(`document.querySelectorAll('`+onlyFrame+` .tiles img').length === 3`), chromedp.WaitVisible(onlyFrame+" .pick"))
		p.check(t, "batch")
		p.accessible(t, "batch")

		p.do(t, "load the page again", chromedp.Reload(), until(isReady), until(`document.querySelectorAll('`+onlyFrame+` .tiles img').length === 3`))
		p.do(t, "open it", chromedp.Click(onlyFrame+" .open"), until(`document.querySelectorAll('`+inSeries+` img.loaded').length === 3`))
		p.check(t, "batch/work")
		p.accessible(t, "batch/work")
		p.do(t, "open one of them and come back", chromedp.Focus(inSeries+":nth-child(2) a.open"), press("Enter", 0), chromedp.WaitVisible("#work-stage > img"),
			press("Escape", 0), focusIs(inSeries+":nth-child(2) a.open"))
		p.do(t, "delete one", chromedp.Evaluate(`document.querySelector('`+inSeries+`:nth-child(2) .frame-tools button:last-child').click()`, nil),
			until(`document.querySelectorAll('`+inSeries+`').length === 2`))
		p.do(t, "close", press("Escape", 0), chromedp.WaitNotPresent("#work[open]"), focusIs(onlyFrame+" a.open"))
		// What was deleted and not taken back is deleted when the page is closed, or is opened the next time.
		// A click that may be the second one of a double click is ignored.
		p.do(t, "delete the batch", until(`document.querySelector('`+onlyFrame+` .frame-tools button:last-child')?.click() ?? document.querySelector('.frame') === null`),
			chromedp.Reload(), until(isReady), chromedp.WaitVisible("#empty"))
		if left := value[int](p, t, `fetch('/api/jobs').then((response) => response.json()).then(({ jobs }) => jobs.length)`); left != 0 {
			t.Errorf("%d jobs of a deleted batch are left", left)
		}
	}
	retryBatch(ctx, t, i)
}

// retryBatch stops a batch of speech, and tries again what was not made: a second work, with players in its dialog.
func retryBatch(ctx context.Context, t *testing.T, i *instance) {
	p := newTab(ctx, t, desktop)
	p.open(t, i.URL()+"/voice")
	i.operate(t, "pause", "audio")
	p.do(t, "make speech of lines", chromedp.Click("#audio-text"), chromedp.SendKeys("#audio-text", "The tide comes in.\nThe tide goes out.", chromedp.ByID),
		chromedp.WaitVisible("#audio-lines"), chromedp.Click("#audio-lines"), press("Enter", input.ModifierCtrl), chromedp.WaitVisible(onlyFrame+" .words"),
		chromedp.Click(onlyFrame+" .open"), until(`document.querySelectorAll('`+inSeries+`[data-state="making"]').length === 2`))
	p.check(t, "batch/waiting")
	p.do(t, "stop it", chromedp.Click("#work-actions button"), until(`document.querySelectorAll('`+inSeries+`[data-state="canceled"]').length === 2`))
	i.operate(t, "resume", "audio")
	p.do(t, "try again", chromedp.Click("#work-actions .strong"), chromedp.WaitReady(`.sheet [data-state="batch"]:nth-child(2)`), press("Escape", 0),
		chromedp.WaitNotPresent("#work[open]"), until(`document.querySelector('#running').classList.contains('idle')`),
		chromedp.Click(`.sheet [data-state="batch"] .open`), until(`document.querySelectorAll('`+inSeries+` .play').length === 2`))
	p.check(t, "batch/speech")
	p.accessible(t, "batch/speech")
}

// showLargeBatch follows a batch of a thousand jobs. No task of the page takes so long that a person notices it, and the
// document has few of the jobs at a time.
func showLargeBatch(ctx context.Context, t *testing.T, i *instance) {
	const count = 1000
	p := newTab(ctx, t, desktop)
	p.open(t, i.URL()+"/gallery")
	i.Cookie = p.cookie(t, i.URL())
	kinds := []string{"image", "translation"}
	jobs := make([]fields, count)
	for n := range jobs {
		jobs[n] = fields{"kind": "image", "input": fields{"prompt": fmt.Sprintf("Work %d", n), "width": 64, "height": 64}}
		if n >= 30 {
			jobs[n] = fields{"kind": "translation", "input": fields{"text": fmt.Sprintf("Text %d", n)}}
		}
	}
	before := i.Submit(t, imageBody("Before"))
	i.Wait(t, before.ID)
	const limit = 50 * time.Millisecond
	longest := limit + 1
	for try := 0; longest > limit && try < cpuTries; try++ {
		for _, kind := range kinds {
			i.operate(t, "pause", kind)
		}
		if resp := i.Do(t, http.MethodPost, "/api/batches", fields{"jobs": jobs}); resp.StatusCode != http.StatusAccepted {
			t.Fatalf("status %d: %s", resp.StatusCode, resp.Data)
		}
		p.open(t, i.URL()+"/gallery")
		p.do(t, "show it, and what was made before", until(isLive), until(fmt.Sprintf(`!document.querySelector('#running').classList.contains('idle') &&
			document.querySelectorAll('.frame').length === %d && document.querySelector('.frame[data-state="image"]') !== null`, try+2)))
		longest = p.longestTask(t, func() {
			for _, kind := range kinds {
				i.operate(t, "resume", kind)
			}
			p.do(t, "show that all is done", until(`document.querySelector('#running').classList.contains('idle')`))
		})
		t.Logf("the longest task takes %v of CPU time", longest)
	}
	if longest > limit {
		t.Errorf("the longest task takes %v of CPU time, want at most %v", longest, limit)
	}
	p.do(t, "open it", chromedp.Click(`.frame[data-state="batch"] .open`), until(`document.querySelectorAll('`+inSeries+` img.loaded').length > 0`))
	for page := range 3 {
		if n := value[int](p, t, `document.querySelectorAll('main .sheet *, #work *').length`); n > 1000 {
			t.Errorf("page %d: the document has %d nodes of works, want at most 1000", page, n)
		}
		p.do(t, "turn the page", until(`!document.querySelector('.series > .wide-button:last-child').matches('[aria-disabled="true"]')`), chromedp.Evaluate(`document.querySelector('.series > .wide-button:last-child').click()`, nil),
			until(fmt.Sprintf(`document.querySelector('%s').dataset.key !== %q`, inSeries, value[string](p, t, `document.querySelector('`+inSeries+`').dataset.key`))))
	}
	p.check(t, "batch/large")
}
