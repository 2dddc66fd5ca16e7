// Package guard is the HTTP transport that hostile BMCs meet: one connection to one address, nothing else.
package guard
