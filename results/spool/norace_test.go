//go:build !race

package spool

// race says that the race detector runs, which takes its time and memory.
const race = false
