package results

import "time"

// DeadLetterSchema names the version of the dead letter's document.
const DeadLetterSchema = "lamplighter.dead.v1"

// DeadLetter is a message that nobody could handle, for whoever looks for the bug. Its round has an Unknown verdict, as far as
// the message still says which round it was.
type DeadLetter struct {
	Schema    string `json:"schema"`
	Site      string `json:"site"`
	Satellite string `json:"satellite"`
	// ID is the message's.
	ID string `json:"id"`
	// Why is what the last to try said about it.
	Why  string    `json:"why"`
	Body []byte    `json:"body"`
	At   time.Time `json:"at"`
}
