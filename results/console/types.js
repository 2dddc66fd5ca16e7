// The documents of the API that the console reads (docs/openapi.yaml), for tsc. Nothing here runs.

/**
 * @typedef {"available" | "degraded" | "unavailable" | "unknown"} Health
 * @typedef {{ who: string, note: string, at: string, until?: string }} Ack
 * @typedef {{ silence: string, kind: "silence" | "maintenance", until: string }} Silenced
 * @typedef {{ name: string, scope: "viewer" | "operator", local: boolean, token?: boolean, zones: Record<string, string> }} Me
 *
 * @typedef {{ site: string, room: string, row: string, rack: string, letters: string }} MapRack
 * @typedef {{ map: string, seq: number, at: string, placed: boolean, racks: MapRack[], marks: Record<string, string> }} FleetMap
 * @typedef {{ map: string, seq: number, at: string, cells: [number, string][] }} Cells
 *
 * @typedef {{ bmc: string, look: string, unit: number, height: number, face: string, slot: string, chassis: string, vendor: string, model: string,
 *   health: Health, failed: string, reason: string, since?: string, last_at?: string, never_seen: boolean, ack: Ack | null,
 *   silenced: Silenced | null, incident?: string }} Place
 * @typedef {{ site: string, room: string, row: string, rack: string, height: number, placed: boolean, units: Place[] }} Elevation
 *
 * @typedef {{ check: string, outcome: "ok" | "failed" | "unknown", reason: string, notes: string[], error: string, took_ms: number, age_s: number,
 *   facts: Record<string, string>, at: string, satellite: string }} Result
 * @typedef {{ bmc: string, satellite: string, health: Health, failed: string, reason: string, owner: string, next_step: string, round: string,
 *   at: string, trail: Result[] }} Verdict
 * @typedef {{ bmc: string, site: string, room: string, row: string, rack: string, unit: number, vendor: string, model: string, address: string,
 *   health: Health, failed: string, reason: string, owner: string, next_step: string, since?: string, last_at?: string, last_good_at?: string,
 *   never_seen: boolean, soft: { health: Health, failed: string, reason: string, attempts: number, of: number, since: string } | null,
 *   last_known: { health: Health, failed: string, reason: string, since: string, at: string } | null,
 *   flapping: { since: string, share: number } | null }} State
 * @typedef {{ name: string, value: string, since: string, at: string, stale: boolean }} Fact
 * @typedef {{ bmc: string, unit: number, health: Health, failed: string, reason: string, since?: string }} Neighbour
 * @typedef {{ desk: string, ref: string, url: string, open: boolean, in?: string, opened_at?: string, error?: string }} Ticket
 * @typedef {{ id: string, status: "open" | "acknowledged" | "closed", cause: { kind: string, key: string, name: string }, title: string, counted: string,
 *   health: Health, failed: string, reason: string, owner: string, next_step: string, site: string, room: string, row: string, rack: string,
 *   since: string, total: number, failing: number, ack: Ack | null, silenced: Silenced | null, page: boolean, code: string, tickets: Ticket[],
 *   closed_at?: string, closed?: "recovered" | "merged" | "left", into?: string, from?: string, reopened: number, opened_at: string }} Incident
 * @typedef {{ bmc: string, rack: string, unit: number, failed: string, reason: string, since: string, left?: string }} Member
 * @typedef {{ at: string, who: string, do: string, note?: string, where?: string }} Act
 * @typedef {Incident & { evidence: string[], members: Member[], changes: (Change & { bmc: string })[], acts: Act[] }} IncidentDetail
 * @typedef {{ id: string, kind: "silence" | "maintenance", where: string, who: string, reason: string, ticket?: string, from: string, until: string, ended_at?: string,
 *   ended_by?: string, status: "holds" | "waits" | "over", matched: number, failing: number, idle: boolean }} Silence
 * @typedef {{ state: State, meaning: string, code: string, ack: Ack | null, incident: Incident | null, silence: Silenced | null, labels: Record<string, string>,
 *   facts: Fact[], verdict: Verdict | null, neighbours: Neighbour[] }} Detail
 * @typedef {{ since: string, until: string, health: Health, failed: string, reason: string, rounds: number, open: boolean }} Span
 * @typedef {{ id: string, kind: string, from: { health: Health, failed: string, reason: string }, to: { health: Health, failed: string, reason: string },
 *   since: string, at: string }} Change
 * @typedef {{ kind: "accepted" | "result" | "verdict" | "done" | "error", at: string, satellite?: string, result?: Result, verdict?: Verdict, text?: string }} Step
 * @typedef {{ site: string, satellite: string, heard: boolean, last_at?: string, bmcs: number, recent: number, reasons: { reason: string, count: number }[], soonest_ms: number | null,
 *   version: string }} Satellite
 * @typedef {{ at: string, from: string, satellites: Satellite[], sites: { site: string, bmcs: number, satellites: number, alone: number, disputed: number }[] }} Satellites
 * @typedef {{ check: string, asked: number, failed: number, unknown: number, not_reached: number, p50_ms: number | null, p95_ms: number | null, p99_ms: number | null }} CheckPace
 * @typedef {{ from: string, until: string, rounds: number, check: string, checks: (CheckPace & { before: CheckPace | null })[],
 *   groups: (CheckPace & { vendor: string, firmware: string, other: boolean, rounds: number })[] }} Chain
 * @typedef {{ at: string, days: { day: string, count: number }[], over: number, later: number, none: number }} Certificates
 * @typedef {{ name: string, synced?: string, bmcs: number, read: number, of: number, tried?: string, error?: string }} Source
 * @typedef {{ site: string, at: string, every_s: number, number: number, made?: string, bmcs: number, synced?: string, read: number, of: number, tried?: string, error?: string, sources?: Source[],
 *   last?: { added: number, removed: number, changed: number, moved: number }, missing: number, conflicts: number, hindering: number, listed: { kind: string, bmcs?: string[], text: string }[],
 *   withheld: { digest: string, since: string, until: string, gone: number, of: number, first: string, added: number, changed: number, moved: number } | null,
 *   waiting: { change: string, bmc: string, was?: string, is?: string, missing_since?: string }[], late: boolean, barred: string }} Inventory
 * @typedef {{ site: string, bmc?: string, looks: string, total: number, worst: number, worst_at?: string }} Strip
 * @typedef {{ at: string, from: "cmdb" | "file" | "none", bmcs: number, items: Inventory[] }} Listing
 * @typedef {{ known: boolean, settle_s: number, sites: { site: string, expected: number, lost: number, silent: number }[] }} Rounds
 * @typedef {{ bmc: string, incident?: string, site: string, rack: string, unit: number, health: Health, field: string, value: string }} Hit
 */

export {};
