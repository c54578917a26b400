package otptest

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const page = "../../docs/otp.md"

// docs/otp.md names tests and lists the suite cases that are replayed. Both must be true.
func TestOTPPageNamesWhatThereIs(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	tests := testNames(t)
	for _, name := range regexp.MustCompile(`\bTest\w+`).FindAllString(string(text), -1) {
		if !tests[name] {
			t.Errorf("no such test: %s", name)
		}
	}
	cases := suiteCases(t)
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (replayed[ a-z]*)").FindAllStringSubmatch(string(text), -1) {
		name, claim := row[1], strings.TrimSpace(row[2])
		onBoth, found := cases[name]
		switch {
		case !found:
			t.Errorf("%s is in no scenario", name)
		case onBoth != (claim == "replayed"):
			t.Errorf("%s: %q, and on the public supervisor: %v", name, claim, onBoth)
		}
		delete(cases, name)
	}
	for name := range cases {
		t.Errorf("%s is replayed, and not on the page", name)
	}
}

// testNames returns the names of all tests of the module.
func testNames(t *testing.T) map[string]bool {
	files, err := filepath.Glob("../../*/*_test.go")
	more, err2 := filepath.Glob("../../internal/*/*_test.go")
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	names := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	for _, file := range slices.Concat(files, more) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range declared.FindAllStringSubmatch(string(text), -1) {
			names[m[1]] = true
		}
	}
	return names
}

// suiteCases returns the cases of OTP's suite that the scenarios mirror, and for each
// whether one of its scenarios is played on the public supervisor.
func suiteCases(t *testing.T) map[string]bool {
	files, err := filepath.Glob("testdata/scenarios/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range strings.Split(string(text), "\nend\n") {
			_, suite, _ := strings.Cut(s, "\nsuite ")
			suite, _, _ = strings.Cut(suite, "\n")
			_, tags, _ := strings.Cut(s, "\ntags ")
			tags, _, _ = strings.Cut(tags, "\n")
			queued := slices.Contains(strings.Fields(tags), "batch")
			for _, name := range strings.Fields(suite) {
				if name != "-" {
					cases[name] = cases[name] || !queued
				}
			}
		}
	}
	return cases
}
