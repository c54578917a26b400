package supervisor

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/coppice-go/coppice/internal/oneline"
)

// Changes are the differences that Apply has made, or that Plan has found. Names are those
// of children, in the order of the desired spec; those of Removed are in the order in which
// they stop.
type Changes struct {
	Added     []string // children that are started for the first time
	Replaced  []string // children whose Version differs: they are restarted with the new spec
	Along     []string // children of a Graph supervisor that are restarted because one that they need is replaced
	Updated   []string // children that take other settings and keep running, unless Along has them too
	Removed   []string // children that are stopped and removed
	Settings  []string // fields of the supervisor's own spec that differ
	Reordered bool     // the order of the children that stay differs
	Unchanged int      // number of declared children whose specs are as they were
}

// Empty reports whether nothing changes.
func (c Changes) Empty() bool {
	return len(c.Added)+len(c.Replaced)+len(c.Along)+len(c.Updated)+len(c.Removed)+len(c.Settings) == 0 && !c.Reordered
}

// String returns the changes in one line, such as "+ eu   ~ us, jp   - asia   = 14
// unchanged". A plus is an added child, a tilde one that is replaced, an asterisk one with
// other settings, a minus one that is removed. "along: " precedes those of Along. It names the first few of each, and counts
// the rest. It has no versions, because they may be secret.
func (c Changes) String() string {
	var parts []string
	for _, of := range []struct {
		sign  string
		names []string
	}{
		{"+ ", c.Added}, {"~ ", c.Replaced}, {"along: ", c.Along}, {"* ", c.Updated}, {"- ", c.Removed}, {"settings: ", c.Settings},
	} {
		if len(of.names) > 0 {
			parts = append(parts, of.sign+firstFew(of.names, ", ", oneline.Text))
		}
	}
	if c.Reordered {
		parts = append(parts, "reordered")
	}
	return strings.Join(append(parts, fmt.Sprintf("= %d unchanged", c.Unchanged)), "   ")
}

// MarshalJSON writes the fields in snake case, without those that are empty. Unchanged is
// always there.
func (c Changes) MarshalJSON() ([]byte, error) {
	text, err := json.Marshal(struct {
		Added     []string `json:"added,omitempty"`
		Replaced  []string `json:"replaced,omitempty"`
		Along     []string `json:"along,omitempty"`
		Updated   []string `json:"updated,omitempty"`
		Removed   []string `json:"removed,omitempty"`
		Settings  []string `json:"settings,omitempty"`
		Reordered bool     `json:"reordered,omitempty"`
		Unchanged int      `json:"unchanged"`
	}(c))
	return oneline.JSON(text), err
}

// clone returns a copy for an event: the caller of Apply may change its own.
func (c Changes) clone() *Changes {
	c.Added, c.Replaced, c.Updated = slices.Clone(c.Added), slices.Clone(c.Replaced), slices.Clone(c.Updated)
	c.Along, c.Removed, c.Settings = slices.Clone(c.Along), slices.Clone(c.Removed), slices.Clone(c.Settings)
	return &c
}
