package ratelimit

import "testing"

func TestConcurrency(t *testing.T) {
	t.Parallel()
	var c Concurrency
	a, b := Bound{Key: "a", Max: 2}, Bound{Key: "b"}
	first, _, ok := c.Reserve(3, a, b)
	second, _, _ := c.Reserve(3, a)
	if _, exceeded, again := c.Reserve(3, a); !ok || again || exceeded == nil || *exceeded != a {
		t.Errorf("third reservation of two: %v, %v", again, exceeded)
	}
	third, _, _ := c.Reserve(3, b)
	if _, exceeded, again := c.Reserve(3, b); again || exceeded != nil {
		t.Errorf("fourth reservation of three: %v, %v", again, exceeded)
	}
	first()
	first()
	if total, keys := c.Used(); total != 2 || keys != 2 {
		t.Errorf("%d units under %d keys are in use", total, keys)
	}
	second()
	third()
	if total, keys := c.Used(); total != 0 || keys != 0 {
		t.Errorf("%d units under %d keys remain", total, keys)
	}
}
