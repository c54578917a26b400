package chaos_test

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/coppice-go/coppice/supervisortest"
	"github.com/coppice-go/coppice/supervisortest/chaos"
)

// TestSoak runs all presets live, side by side, for the time in the
// environment's SOAK. See make soak.
func TestSoak(t *testing.T) {
	text := os.Getenv("SOAK")
	if text == "" {
		t.Skip("SOAK is not set: SOAK=2m runs each preset for two minutes")
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		t.Fatalf("SOAK is %q: want a duration, such as 2m", text)
	}
	for _, spec := range chaos.Presets(0) {
		spec.Duration = d
		t.Run(spec.Name, func(t *testing.T) {
			t.Parallel()
			r := chaos.Play(t, supervisortest.Start(t, supervisortest.NoLeaks(t, victim())), spec)
			counters, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s", counters)
		})
	}
}
