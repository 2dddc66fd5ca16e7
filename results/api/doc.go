// Package api answers what people and programs ask the role results, over HTTP and JSON: what is broken now, since when, what
// was seen, and what changes from now on. docs/openapi.yaml describes it, docs/api.md shows it.
//
// Package main makes a Server of the states that follow keeps in memory, the store, and somebody who can have a BMC checked
// again. The filters are those of results/query, the same everywhere. No answer holds a secret: verdicts hold none.
package api
