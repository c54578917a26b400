package supervisortest_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(planted) != "" { // its test leaks on purpose
		os.Exit(m.Run())
	}
	goleak.VerifyTestMain(m)
}
