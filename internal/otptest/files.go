package otptest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A File is a scenario file and the traces recorded from it, by scenario name.
type File struct {
	Name      string
	Scenarios []*Scenario
	Traces    map[string]*Trace
}

// Dir returns the folder to replay: the value of the environment variable OTP_DIR, or
// testdata if that is empty.
func Dir() string {
	if dir := os.Getenv("OTP_DIR"); dir != "" {
		return dir
	}
	return "testdata"
}

// Load reads the folders scenarios and traces in dir. It returns an error if a scenario has
// no trace.
func Load(dir string) ([]File, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "scenarios", "*.txt"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("no scenarios in %s", dir)
	}
	var files []File
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".txt")
		f, err := loadFile(name, path, filepath.Join(dir, "traces", name+".trace"))
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

func loadFile(name, scenarioPath, tracePath string) (File, error) {
	f := File{Name: name, Traces: make(map[string]*Trace)}
	text, err := os.ReadFile(scenarioPath)
	if err != nil {
		return f, err
	}
	if f.Scenarios, err = ParseScenarios(string(text)); err != nil {
		return f, fmt.Errorf("%s: %w", scenarioPath, err)
	}
	if text, err = os.ReadFile(tracePath); err != nil {
		return f, err
	}
	traces, err := ParseTraces(string(text))
	if err != nil {
		return f, fmt.Errorf("%s: %w", tracePath, err)
	}
	for _, t := range traces {
		f.Traces[t.Name] = t
	}
	for _, s := range f.Scenarios {
		if f.Traces[s.Name] == nil {
			return f, fmt.Errorf("%s: no trace of %s", tracePath, s.Name)
		}
	}
	return f, nil
}
