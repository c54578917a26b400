package otptest

import (
	"strconv"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
)

// notAValue stands for a word that is not a valid restart type, strategy or mode.
const notAValue = 255

// ChildSpec returns n as the spec of a child with that name. Run is not set.
func (n *Node) ChildSpec(name string) child.Spec {
	return child.Spec{
		Name:        name,
		Restart:     n.restart(),
		Significant: n.Significant == "true",
		StopTimeout: n.stopTimeout(),
	}
}

func (n *Node) restart() child.Restart {
	switch n.Restart {
	case "permanent":
		return child.Permanent
	case "transient":
		return child.Transient
	case "temporary":
		return child.Temporary
	}
	return notAValue
}

// stopTimeout returns the StopTimeout closest to the shutdown of n. Go cannot kill a
// goroutine, so a child that OTP kills is abandoned.
func (n *Node) stopTimeout() time.Duration {
	switch n.Shutdown {
	case "": // 5 s for a child, no limit for a supervisor: the defaults are the same
		return 0
	case "brutal_kill":
		return child.AtOnce
	case "infinity":
		return child.Forever
	case "0": // OTP asks and kills right after; zero means the default in Coppice
		return time.Nanosecond
	}
	ms, _ := strconv.Atoi(n.Shutdown)
	return time.Duration(ms) * time.Millisecond
}

// Limits returns the flags of a supervisor as values of Coppice.
func (n *Node) Limits() (strategy.Strategy, strategy.Intensity, strategy.AutoShutdown) {
	return n.strategy(), n.intensity(), n.auto()
}

func (n *Node) strategy() strategy.Strategy {
	switch n.Strategy {
	case "one_for_one":
		return strategy.OneForOne
	case "one_for_all":
		return strategy.OneForAll
	case "rest_for_one":
		return strategy.RestForOne
	case "simple_one_for_one":
		return strategy.Independent
	}
	return notAValue
}

func (n *Node) intensity() strategy.Intensity {
	restarts, err := strconv.Atoi(n.Intensity)
	if err != nil {
		restarts = -1
	}
	seconds, _ := strconv.Atoi(n.Period)
	return strategy.AtMost(restarts, time.Duration(seconds)*time.Second)
}

func (n *Node) auto() strategy.AutoShutdown {
	switch n.Auto {
	case "never":
		return strategy.Never
	case "any_significant":
		return strategy.AnySignificant
	case "all_significant":
		return strategy.AllSignificant
	}
	return notAValue
}

// Described returns the result of get_childspec for the spec that the supervisor keeps.
func (n *Node) Described(kept child.Spec) string {
	shutdown := strconv.FormatInt(kept.StopTimeout.Milliseconds(), 10)
	switch {
	case kept.StopTimeout == child.AtOnce:
		shutdown = "brutal_kill"
	case kept.StopTimeout == child.Forever, kept.StopTimeout == 0 && n.Sup:
		shutdown = "infinity"
	case kept.StopTimeout == 0:
		shutdown = strconv.FormatInt(child.DefaultStopTimeout.Milliseconds(), 10)
	}
	return "ok restart=" + kept.Restart.String() + " significant=" + strconv.FormatBool(kept.Significant) +
		" shutdown=" + shutdown + " type=" + n.Type
}
