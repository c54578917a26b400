// Package gatetest helps to test code behind a gate, and engines for gates.
//
// An Engine is a fake: it gives leases like a real one, in virtual time if it is used in a
// testing/synctest bubble. It can be paused, its members can be cut off, its replies can be
// lost, and its clocks can be set.
//
//	engine := gatetest.NewEngine()
//	a := engine.Member("a", 15*time.Second) // one process
//	b := engine.Member("b", 15*time.Second) // another
//	g := gate.New(gate.Spec{Name: "/shop/billing", Elector: a, Run: billing.Run})
//	...
//	a.Cut(true) // a cannot reach the engine any more: what g guards stops in order
//
// Conform checks that an Elector of yours keeps the contract of gate.Elector and gate.Lease.
// Each check says in its name what must hold. Those that need something that your engine or
// its test cannot do are skipped. So are those of shards, unless it is a gate.Sharder.
package gatetest
