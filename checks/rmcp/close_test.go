package rmcp

import (
	"fmt"
	"testing"
)

func TestASessionThatTheBMCDoesNotKnowIsClosed(t *testing.T) {
	for code, want := range map[byte]bool{0x87: true, 0x88: true, 0xc9: true, CodeBusy: false, CodePrivilege: false} {
		if got := noSuchSession(fmt.Errorf("close session: %w", &CompletionError{"close session", code})); got != want {
			t.Errorf("completion code %#x: %v, want %v", code, got, want)
		}
	}
	if noSuchSession(ErrTimeout) || noSuchSession(nil) {
		t.Error("silence says nothing about the session")
	}
}
