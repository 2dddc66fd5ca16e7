//go:build !race

package kafka_test

// race says that the race detector runs, which takes its time and memory.
const race = false
