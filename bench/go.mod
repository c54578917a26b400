module github.com/coppice-go/coppice/bench

go 1.26.0

require (
	github.com/coppice-go/coppice v0.0.0
	github.com/oklog/run v1.2.0
	github.com/sourcegraph/conc v0.3.0
	github.com/thejerf/suture/v4 v4.0.6
	golang.org/x/sync v0.24.0
)

require (
	github.com/cenkalti/backoff/v4 v4.3.0 // indirect
	go.uber.org/atomic v1.7.0 // indirect
	go.uber.org/multierr v1.9.0 // indirect
)

replace github.com/coppice-go/coppice => ../
