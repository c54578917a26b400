//go:build !linux

package gate

import "time"

// asleep is not known on this system: see Moment.
func asleep() time.Duration { return 0 }
