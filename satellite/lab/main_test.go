package lab

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if program, err := build(); err == nil {
			_ = os.RemoveAll(filepath.Dir(program))
		}
		os.Exit(code)
	}))
}

// build builds the program, once.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "lamplighter-lab-")
	if err != nil {
		return "", err
	}
	program := filepath.Join(dir, "lamplighter")
	if out, err := exec.Command("go", "build", "-o", program, "..").CombinedOutput(); err != nil {
		return "", errors.New("go build: " + string(out) + err.Error())
	}
	return program, nil
})
