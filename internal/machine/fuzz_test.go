package machine

import (
	"testing"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
)

// The explorer and the random walks use a few dozen trees. Here the bytes also choose the
// tree. Then each byte chooses the next event. The rules are those of
// explore_rules_test.go. There is no reference model of the whole machine, since that
// would be a second machine: recordings of OTP serve instead (internal/otptest). Pure
// parts have one: the window in package rules, and the group of a child here.
func FuzzMachine(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x05\x02\x00\x00\x00\x00 stop and go"))
	f.Add([]byte("\x05\x2f\x00\x00\x00\x00\x01\x01\x1d\x07\x00\x00 stop and go along the edges"))
	f.Fuzz(func(t *testing.T, script []byte) {
		d := dice(script)
		s := d.scene()
		w := newWorld(s)
		for len(d) > 0 {
			moves := w.moves()
			if w.m.suspended {
				moves = append(moves, move{"resume", func(w *world) {
					w.do("resume", func() { w.m.Resume(0) })
				}})
			}
			if bad := w.stuck(); bad != "" {
				w.fail("%s", bad)
			}
			checkGroups(w)
			if w.failure != "" {
				t.Fatal(w.report())
			}
			if len(moves) == 0 {
				return
			}
			moves[d.intn(len(moves))].do(w)
		}
	})
}

// dice are the bytes that decide. After the last byte they are zero.
type dice []byte

func (d *dice) byte() byte {
	if len(*d) == 0 {
		return 0
	}
	b := (*d)[0]
	*d = (*d)[1:]
	return b
}

// intn returns a number below n, which must be less than 256.
func (d *dice) intn(n int) int { return int(d.byte()) % n }

// scene returns a tree of up to four children, with any of the options.
func (d *dice) scene() *scene {
	flags := d.byte()
	s := &scene{
		name:      "fuzz",
		conf:      Config{Strategy: strategy.Strategy(flags & 3), AutoShutdown: strategy.AutoShutdown(flags >> 2 % 3)},
		ends:      allEnds,
		calls:     12,
		outOfTime: flags&64 != 0,
		suspends:  flags&128 != 0,
	}
	shape := d.byte()
	s.conf.Intensity = strategy.AtMost(int(shape>>2&7), time.Hour)
	names := []string{"a", "b", "c", "d"}
	for _, name := range names[:1+shape&3] {
		s.specs = append(s.specs, d.spec(name, s.conf.AutoShutdown))
	}
	if shape&32 != 0 {
		s.conf.Strategy = strategy.Graph
		d.edges(s.specs)
	}
	s.add = []child.Spec{d.spec("x", s.conf.AutoShutdown), d.spec("y", s.conf.AutoShutdown)}
	if s.conf.Strategy == strategy.Graph {
		for i := range s.add { // what they need may be removed by then
			s.add[i].Needs, s.add[i].After = []string{names[0]}, []string{"z"}
		}
	}
	return s
}

// edges makes each child need, or come after, any of those before it.
func (d *dice) edges(specs []child.Spec) {
	for i := range specs {
		for b, j := d.byte(), 0; j < i; j, b = j+1, b>>2 {
			switch b & 3 {
			case 1, 2:
				if specs[j].Restart != child.Temporary {
					specs[i].Needs = append(specs[i].Needs, specs[j].Name)
				}
			case 3:
				specs[i].After = append(specs[i].After, specs[j].Name)
			}
		}
	}
}

func (d *dice) spec(name string, auto strategy.AutoShutdown) child.Spec {
	bits := d.byte()
	spec := worker(name)
	spec.Restart = child.Restart(bits & 3 % 3)
	for i, option := range []func(*child.Spec){backoff, retries, impatient, atOnce, watched} {
		if bits&(4<<i) != 0 {
			option(&spec)
		}
	}
	spec.Significant = bits&128 != 0 && auto != strategy.Never && spec.Restart != child.Permanent
	return spec
}
