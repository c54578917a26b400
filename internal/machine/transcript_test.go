package machine

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The files testdata/*.txt are transcripts: a small supervisor, a sequence of events, and
// the actions that the machine returns for each. They are meant to be read.
//
//	supervisor one-for-one 3 in 5s     the supervisor
//	child a transient                  its children, with their options
//	> ready a                          a command: an event
//	publish ready a                    the actions that follow
//
// Lines that begin with # are comments. After an intended change,
//
//	go test ./internal/machine -run Transcripts -rewrite
//
// rewrites the files. Read the difference, and keep it only if you can explain it.
var rewrite = flag.Bool("rewrite", false, "rewrite the transcripts")

func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			played, err := play(string(text))
			switch {
			case err != nil:
				t.Fatal(err)
			case played == string(text):
			case *rewrite:
				if err := os.WriteFile(file, []byte(played), 0o600); err != nil {
					t.Fatal(err)
				}
			default:
				t.Errorf("the actions differ:\n%s", firstDifference(string(text), played))
			}
		})
	}
}

// play returns the transcript with the actions that the machine returns.
func play(text string) (string, error) {
	s := new(player)
	var played strings.Builder
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for _, line := range lines {
		command, isCommand := strings.CutPrefix(line, "> ")
		switch {
		case isCommand:
			actions, err := s.do(strings.Fields(command))
			if err != nil {
				return "", err
			}
			played.WriteString(line + "\n")
			for _, a := range actions {
				played.WriteString(a + "\n")
			}
		case line == "", line[0] == '#':
			played.WriteString(line + "\n")
		default:
			declares, err := s.declare(strings.Fields(line))
			if err != nil {
				return "", err
			}
			if declares { // otherwise it is an action of the previous version
				played.WriteString(line + "\n")
			}
		}
	}
	return played.String(), nil
}

// firstDifference returns the first lines that differ, with the command before them.
func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	command := ""
	for i := range max(len(w), len(g)) {
		wl, gl := line(w, i), line(g, i)
		if strings.HasPrefix(wl, "> ") && wl == gl {
			command = wl
		}
		if wl != gl {
			return command + "\n- " + wl + "\n+ " + gl
		}
	}
	return ""
}

func line(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(end)"
}
