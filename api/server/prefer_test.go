package server_test

import (
	"net/http"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/server"
)

func TestPrefer(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		headers []string
		wait    int
		async   bool
	}{
		{nil, 0, false},
		{[]string{"wait=10"}, 10, false},
		{[]string{"wait"}, 60, false},
		{[]string{"Wait = 5"}, 5, false},
		{[]string{`wait="7"`}, 7, false},
		{[]string{"wait=60"}, 60, false},
		{[]string{"wait=100"}, 60, false},
		{[]string{"wait=0"}, 0, false},
		{[]string{"wait=-1"}, 0, false},
		{[]string{"wait=1.5"}, 0, false},
		{[]string{"wait=abc"}, 0, false},
		{[]string{"wait=99999999999999999999"}, 0, false},
		{[]string{"respond-async"}, 0, true},
		{[]string{"respond-async, wait=10"}, 10, true},
		{[]string{"wait=3, wait=9"}, 3, false},
		{[]string{"respond-async", "wait=4"}, 4, true},
		{[]string{"return=minimal; foo=bar, wait=6; x=y"}, 6, false},
		{[]string{",,;=,"}, 0, false},
	} {
		r := &http.Request{Header: http.Header{"Prefer": tc.headers}}
		if wait, async := server.Prefer(r); wait != tc.wait || async != tc.async {
			t.Errorf("%q: wait %d, async %v", tc.headers, wait, async)
		}
	}
}
