package follow_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if job := os.Getenv(childVariable); job != "" {
		child(job)
		return
	}
	goleak.VerifyTestMain(m)
}
