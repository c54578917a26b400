package chaos

import (
	"math/rand/v2"
	"time"

	"github.com/coppice-go/coppice/supervisor"
)

// Presets returns all ready-made specs, with the same seed. With seed 0 each of them
// draws a seed of its own, unless CHAOS_SEED is set.
func Presets(seed uint64) []Spec {
	return []Spec{
		Happy(seed), HighTurnover(seed), Reasonable(seed), Messy(seed),
		Outrage(seed), Impatient(seed), RandomOfAll(seed),
	}
}

func millis(from, to int) Span {
	return Span{time.Duration(from) * time.Millisecond, time.Duration(to) * time.Millisecond}
}

var nothingFails = Rule{"nothing fails, and no call returns an error", func(r *Report) bool {
	return r.Events[supervisor.EventFailed.String()] == 0 && r.Events[supervisor.EventAbandoned.String()] == 0 && len(r.Errors) == 0
}}

// Happy adds and removes children, and injects no faults. Its rule: nothing fails, and no
// call returns an error.
func Happy(seed uint64) Spec {
	return Spec{
		Name: "happy", Seed: seed, MaxSupervisors: 3, MaxChildren: 20,
		AddSupervisor: 0.05, Add: 0.5, Remove: 0.3, Check: 1,
		Permanent: 0.5, StartTime: millis(0, 5), StopTime: millis(0, 5),
		Rules: []Rule{nothingFails},
	}
}

// HighTurnover adds many children one after another, and few at a time. Its rules: that of
// Happy, and never more than three children.
func HighTurnover(seed uint64) Spec {
	const limit = 3
	return Spec{
		Name: "low limit, high turnover", Seed: seed, Tick: millis(1, 10), MaxSupervisors: 1, MaxChildren: limit,
		AddSupervisor: 0.05, Add: 0.9, Remove: 0.8, Check: 0.5,
		Permanent: 0.5, StartTime: millis(0, 1), StopTime: millis(0, 1),
		Rules: []Rule{nothingFails, {"never more than three children at a time", func(r *Report) bool {
			return r.MostChildren <= limit
		}}},
	}
}

// Reasonable injects the faults of an ordinary day. Its rule: more starts succeed than
// starts and runs fail.
func Reasonable(seed uint64) Spec {
	return Spec{
		Name: "reasonable", Seed: seed, MaxSupervisors: 3, MaxChildren: 20,
		AddSupervisor: 0.05, RemoveSupervisor: 0.02, Add: 0.4, Remove: 0.1, Stop: 0.05, Restart: 0.1,
		Crash: 0.02, Check: 1, FailStart: 0.05, FailRun: 0.1, Permanent: 0.5,
		StartTime: millis(0, 5), RunTime: millis(50, 2000), StopTime: millis(0, 5),
		Rules: []Rule{{"more starts succeed than fail", func(r *Report) bool {
			return r.Events[supervisor.EventReady.String()] > r.Events[supervisor.EventFailed.String()]
		}}},
	}
}

var startsAreEnds = Rule{"every start has its end", func(r *Report) bool {
	return r.Started == r.Ended
}}

// Messy injects many faults at the same time, including hangs. Its rule: every start has
// its end.
func Messy(seed uint64) Spec {
	return Spec{
		Name: "messy", Seed: seed, MaxSupervisors: 5, MaxChildren: 20,
		AddSupervisor: 0.1, RemoveSupervisor: 0.05, Add: 0.5, Remove: 0.2, Stop: 0.1, Restart: 0.2,
		Crash: 0.2, Panic: 0.1, Hang: 0.05, Suspend: 0.05, Check: 1,
		FailStart: 0.3, FailRun: 0.5, Permanent: 0.5,
		StartTime: millis(0, 20), RunTime: millis(10, 500), StopTime: millis(0, 20), StopTimeout: millis(10, 200),
		RemoveAfter: millis(100, 5000), HangTime: millis(100, 2000), SuspendTime: millis(1, 200),
		Impatience: 0.1, Patience: millis(0, 50),
		Rules: []Rule{startsAreEnds},
	}
}

// Outrage injects every fault all the time. It has no rule of its own: what Play always
// checks must hold here too.
func Outrage(seed uint64) Spec {
	return Spec{
		Name: "outrage", Seed: seed, Tick: millis(1, 20), MaxSupervisors: 8, MaxChildren: 30,
		AddSupervisor: 0.4, RemoveSupervisor: 0.2, Add: 0.9, Remove: 0.5, Stop: 0.5, Restart: 0.8,
		Crash: 0.9, Panic: 0.6, Hang: 0.3, Suspend: 0.3, Check: 1,
		FailStart: 0.6, FailRun: 0.9, Permanent: 0.7,
		StartTime: millis(0, 10), RunTime: millis(0, 50), StopTime: millis(0, 30), StopTimeout: millis(1, 30),
		RemoveAfter: millis(10, 500), HangTime: millis(10, 500), SuspendTime: millis(1, 50),
		Impatience: 0.3, Patience: millis(0, 10),
	}
}

// Impatient gives up most calls before they return. Its rule: every start has its end.
func Impatient(seed uint64) Spec {
	return Spec{
		Name: "impatient", Seed: seed, MaxSupervisors: 3, MaxChildren: 20,
		AddSupervisor: 0.1, RemoveSupervisor: 0.05, Add: 0.6, Remove: 0.3, Stop: 0.2, Restart: 0.3, Check: 1,
		FailStart: 0.1, Permanent: 0.5,
		StartTime: millis(0, 20), StopTime: millis(0, 20), StopTimeout: millis(5, 50),
		Impatience: 0.8, Patience: millis(0, 10),
		Rules: []Rule{startsAreEnds},
	}
}

// RandomOfAll draws all its settings from the seed. Its rule: every start has its end.
func RandomOfAll(seed uint64) Spec {
	if seed == 0 { // the settings need it now; Play reports an invalid CHAOS_SEED
		seed, _ = newSeed()
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	s := Spec{MaxSupervisors: rng.IntN(8), MaxChildren: rng.IntN(30)}
	// By name, since the order of a map does not depend on the seed.
	chances, spans := s.chances(), s.spans()
	for _, name := range sortedKeys(chances) {
		*chances[name] = rng.Float64() * rng.Float64()
	}
	for _, name := range sortedKeys(spans) {
		from := rng.IntN(20)
		*spans[name] = millis(from, from+1+rng.IntN(200))
	}
	s.Name, s.Seed, s.Rules = "random of all", seed, []Rule{startsAreEnds}
	return s
}
