package app_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/app/apptest"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
)

// TestImagesOfSetArriveOneByOne blocks all images of a set but one, and checks that this image can be downloaded while the
// others are in progress.
func TestImagesOfSetArriveOneByOne(t *testing.T) {
	t.Parallel()
	i := start(t, apptest.Config(t, t.TempDir()))
	i.Visit(t)
	// The first call succeeds, the others hang.
	if err := i.Simulator().Script(
		simulator.Rule{Kind: simulator.KindImage, Times: 1},
		simulator.Rule{Kind: simulator.KindImage, Hold: true},
	); err != nil {
		t.Fatal(err)
	}
	job := i.Submit(t, fields{"kind": "image", "input": fields{"prompt": "four boats", "width": 64, "height": 80, "n": 4, "seed": 10}})
	events := i.stream(t.Context(), t, job.Path("events"))
	var early event
	for early.job.Result == nil {
		e, ok := events.next()
		if !ok {
			t.Fatal("the events ended")
		}
		early = e
	}
	if early.name != "running" || len(early.job.Result.Media) != 1 || early.job.Progress != 25 {
		t.Fatalf("the event of the first image: %+v", early)
	}
	first := early.job.Result.Media[0]
	checkImage(t, i.Do(t, http.MethodGet, first.URL, nil).Data, 64, 80)
	read := i.Do(t, http.MethodGet, "/api/jobs/"+job.ID, nil)
	var now apptest.Job
	read.Decode(t, &now)
	if now.Status != "running" || now.Result == nil || len(now.Result.Media) != 1 || now.Result.Media[0].SHA256 != first.SHA256 {
		t.Errorf("the running job: %s", read.Data)
	}
	for n := range 5 {
		url := job.Path("media/" + string(rune('0'+n)))
		if url == first.URL {
			continue
		}
		if resp := i.Do(t, http.MethodGet, url, nil); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s, an unfinished image: status %d", url, resp.StatusCode)
		}
	}
	i.Simulator().Release()
	done := i.Wait(t, job.ID)
	if done.Status != "succeeded" || len(done.Result.Media) != 4 || i.Simulator().Count(simulator.KindImage, "") != 4 {
		t.Fatalf("got %+v after %d calls", done, i.Simulator().Count(simulator.KindImage, ""))
	}
	if at := slices.IndexFunc(done.Result.Media, func(m apptest.Media) bool { return m.URL == first.URL }); at < 0 || done.Result.Media[at].SHA256 != first.SHA256 {
		t.Errorf("the first image has changed: %+v", done.Result.Media)
	}
}

// TestFailedImageDoesNotFailSet has one image of a set fail permanently, temporarily, or one of each.
func TestFailedImageDoesNotFailSet(t *testing.T) {
	t.Parallel()
	i := start(t, apptest.Config(t, t.TempDir()))
	i.Visit(t)
	for name, tc := range map[string]struct {
		rules                []simulator.Rule
		made, missing, calls int
	}{
		"one refused": {[]simulator.Rule{{Fault: "moderated", Times: 1}}, 3, 1, 4},
		"one late":    {[]simulator.Rule{{Fault: "html_502", Times: 1}}, 4, 0, 5},
		"both":        {[]simulator.Rule{{Fault: "html_502", Times: 1}, {Fault: "moderated", Times: 1}}, 3, 1, 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n := range tc.rules {
				tc.rules[n].Kind, tc.rules[n].Contains = simulator.KindImage, name+"."
			}
			if err := i.Simulator().Script(tc.rules...); err != nil {
				t.Fatal(err)
			}
			v := i.Wait(t, i.Submit(t, fields{"kind": "image", "input": fields{"prompt": name + ".", "width": 64, "height": 64, "n": 4, "seed": 1}}).ID)
			if v.Status != "succeeded" || len(v.Result.Media) != tc.made || len(v.Result.Missing) != tc.missing {
				t.Fatalf("%s, %+v", v.Status, v.Result)
			}
			for _, m := range v.Result.Media {
				checkImage(t, i.Do(t, http.MethodGet, m.URL, nil).Data, 64, 64)
			}
			for _, m := range v.Result.Missing {
				if m.Error.Code != "content_moderated" {
					t.Errorf("a missing image has error %s", m.Error.Code)
				}
				if resp := i.Do(t, http.MethodGet, "/api/jobs/"+v.ID+"/media/"+string(rune('0'+m.Index)), nil); resp.StatusCode != http.StatusNotFound {
					t.Errorf("the missing image: status %d", resp.StatusCode)
				}
			}
			if got := i.Simulator().Count(simulator.KindImage, name+"."); got != tc.calls {
				t.Errorf("%d calls, want %d", got, tc.calls)
			}
		})
	}
}
