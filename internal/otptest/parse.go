package otptest

import (
	"fmt"
	"strings"
)

// ParseScenarios reads a scenario file.
func ParseScenarios(text string) ([]*Scenario, error) {
	var (
		all   []*Scenario
		s     *Scenario
		batch *Step // being read
	)
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		bad := func(problem string) ([]*Scenario, error) {
			return nil, fmt.Errorf("line %d: %s: %s", i+1, problem, line)
		}
		if (s == nil) != (words[0] == "scenario") {
			return bad("out of place")
		}
		switch words[0] {
		case "scenario":
			s = &Scenario{Name: words[1]}
		case "suite":
		case "tags":
			s.Tags = words[1:]
		case "sup", "child":
			if err := s.addNode(words); err != nil {
				return bad(err.Error())
			}
		case "step":
			step := Step{Words: words[1:]}
			switch {
			case words[1] == "batch":
				batch = &step
			case words[1] == "endbatch":
				s.Steps = append(s.Steps, *batch)
				batch = nil
			case batch != nil:
				batch.Batch = append(batch.Batch, step)
			default:
				s.Steps = append(s.Steps, step)
			}
		case "end":
			if len(s.Nodes) == 0 || batch != nil {
				return bad("unfinished scenario")
			}
			all = append(all, s)
			s = nil
		default:
			return bad("unknown word")
		}
	}
	if s != nil {
		return nil, fmt.Errorf("scenario %s has no end", s.Name)
	}
	return all, nil
}

// addNode parses a line of the form: sup|child LABEL PARENT KEY=VALUE...
func (s *Scenario) addNode(words []string) error {
	if len(words) < 3 {
		return fmt.Errorf("too short")
	}
	n := &Node{
		Label: words[1], Sup: words[0] == "sup",
		ID: words[1], Restart: "permanent", Significant: "false", Start: []string{"ok"}, Type: "worker",
	}
	if n.Sup {
		n.Type = "supervisor"
		n.Strategy, n.Intensity, n.Period, n.Auto = "one_for_one", "1", "3600", "never"
	} else {
		n.Term = "ok"
	}
	fields := map[string]*string{
		"id": &n.ID, "restart": &n.Restart, "significant": &n.Significant, "shutdown": &n.Shutdown,
		"type": &n.Type, "term": &n.Term, "strategy": &n.Strategy, "intensity": &n.Intensity,
		"period": &n.Period, "auto": &n.Auto,
	}
	for _, w := range words[3:] {
		key, value, _ := strings.Cut(w, "=")
		if key == "start" {
			n.Start = strings.Split(value, ",")
		} else if field, ok := fields[key]; ok {
			*field = value
		} else {
			return fmt.Errorf("unknown key %q", key)
		}
	}
	if parent := words[2]; parent != "-" && parent != "@" {
		p := s.Node(parent)
		if p == nil || !p.Sup {
			return fmt.Errorf("no supervisor %q", parent)
		}
		p.Children = append(p.Children, n)
	}
	s.Nodes = append(s.Nodes, n)
	return nil
}
