package coppiceotel

import (
	"go.opentelemetry.io/otel/attribute"

	"github.com/coppice-go/coppice/child"
)

// Keys of attributes. Those of metrics are listed in docs/metrics.md.
const (
	keyTree       = attribute.Key("coppice.tree")
	keyPath       = attribute.Key("coppice.child.path")
	keySupervisor = attribute.Key("coppice.supervisor.path")
	keyState      = attribute.Key("coppice.child.state")
	keyErrorType  = attribute.Key("error.type")
	keyGate       = attribute.Key("coppice.gate.name")

	// Of spans and log records.
	keyRun      = attribute.Key("coppice.run")
	keyRestarts = attribute.Key("coppice.child.restarts")
	keyReason   = attribute.Key("coppice.reason")
	keyBy       = attribute.Key("coppice.by")
	keySeq      = attribute.Key("coppice.seq")
	keyBecause  = attribute.Key("coppice.because")
	keyDown     = attribute.Key("coppice.down")
	keyCause    = attribute.Key("coppice.cause")

	keyExceptionType    = attribute.Key("exception.type")
	keyExceptionMessage = attribute.Key("exception.message")
	keyExceptionStack   = attribute.Key("exception.stacktrace")
)

// states are all states of a child.
var states = [...]child.State{child.Stopped, child.Starting, child.Running, child.Stopping, child.Waiting, child.Done}
