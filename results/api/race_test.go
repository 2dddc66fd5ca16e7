//go:build race

package api

// race says that the race detector runs, which makes everything several times slower.
const race = true
