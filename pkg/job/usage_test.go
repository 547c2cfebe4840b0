package job_test

import (
	"math/big"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

func TestCost(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		price string
		count int64
		want  string
	}{
		{"0.002", 1, "0.002"},
		{"0.002", 4, "0.008"},
		{"0.0000001", 3, "0.0000003"},
		{"1", 2, "2"},
		{"0", 5, "0"},
		{"", 1, ""},
		{"free", 1, ""},
		{"1/3", 1, ""},
		{"1e9", 1, ""},
	} {
		if got := job.Cost(tt.price, big.NewRat(tt.count, 1)); got != tt.want {
			t.Errorf("%q × %d: %q, want %q", tt.price, tt.count, got, tt.want)
		}
	}
}

func TestSumOfUsages(t *testing.T) {
	t.Parallel()
	if job.Sum(nil, nil) != nil {
		t.Error("the sum of no usages is not nil")
	}
	a := &job.Usage{Cost: "0.002", Currency: "pollen", Images: 1}
	b := &job.Usage{Cost: "0.0005", Currency: "pollen", Images: 1, Cached: 1}
	if got := *job.Sum(a, nil, b); got != (job.Usage{Cost: "0.0025", Currency: "pollen", Images: 2, Cached: 1}) {
		t.Errorf("got %+v", got)
	}
	if got := *job.Sum(&job.Usage{PromptTokens: 5}, a); got != (job.Usage{Cost: "0.002", Currency: "pollen", Images: 1, PromptTokens: 5}) {
		t.Errorf("with an unknown cost: got %+v", got)
	}
	if got := *job.Sum(a, &job.Usage{Cost: "1", Currency: "USD", PromptTokens: 5}); got != (job.Usage{Images: 1, PromptTokens: 5}) {
		t.Errorf("with another currency: got %+v", got)
	}
}
