package observer

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// process is what an observer says of the process. It has no command line, no environment
// and no memory content: those may have secrets.
type process struct {
	host, version, goVersion string
	goroutines               int
	heap                     uint64
}

// processNow may be replaced by a test.
var processNow = func() process {
	p := fixedFacts()
	samples := []metrics.Sample{{Name: "/sched/goroutines:goroutines"}, {Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(samples)
	if v := samples[0].Value; v.Kind() == metrics.KindUint64 {
		p.goroutines = int(v.Uint64())
	}
	if v := samples[1].Value; v.Kind() == metrics.KindUint64 {
		p.heap = v.Uint64()
	}
	return p
}

var fixedFacts = sync.OnceValue(func() process {
	var p process
	p.host, _ = os.Hostname() // without one, none is shown
	if info, ok := debug.ReadBuildInfo(); ok {
		p.goVersion = info.GoVersion
		if v := info.Main.Version; v != "(devel)" {
			p.version = v
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && p.version == "" && len(s.Value) >= 12 {
				p.version = s.Value[:12]
			}
		}
	}
	return p
})
