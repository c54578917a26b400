package bench

import "testing"

func TestMemoryIsThatOfTheChildren(t *testing.T) {
	for _, s := range MemoryShapes() {
		if m := s.Of(1000); m.Heap < 50 || m.Heap > 10_000 || m.Goroutines < 1000 || m.Goroutines > 1003 {
			t.Errorf("%s: %+v", s.Name, m)
		}
	}
}
