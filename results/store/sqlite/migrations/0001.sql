-- Times are milliseconds since 1970, UTC. What is called doc is JSON, or JSON packed as pack.go says.

CREATE TABLE meta (
	name  TEXT PRIMARY KEY,
	value TEXT NOT NULL
) WITHOUT ROWID;

-- One row for each BMC. Numbers are given in the order in which BMCs are heard first, which is the order in which they are
-- heard each round: what is written together lies together.
CREATE TABLE bmc (
	number   INTEGER PRIMARY KEY,
	id       TEXT NOT NULL UNIQUE,
	version  INTEGER NOT NULL, -- of the batch that the state came with
	seq      INTEGER NOT NULL, -- the state's
	state    BLOB,             -- the document of bmc.state.v1; NULL: there is none, or the BMC is gone
	-- the newest span, which goes on; rounds 0: there is none
	since    INTEGER NOT NULL DEFAULT 0,
	until    INTEGER NOT NULL DEFAULT 0,
	health   TEXT    NOT NULL DEFAULT '',
	failed   TEXT    NOT NULL DEFAULT '',
	reason   TEXT    NOT NULL DEFAULT '',
	rounds   INTEGER NOT NULL DEFAULT 0,
	evidence INTEGER NOT NULL DEFAULT 0 -- hash of what the newest verdict rests on
);

CREATE TABLE newest (
	bmc INTEGER PRIMARY KEY,
	doc BLOB NOT NULL
);

-- Spans that ended.
CREATE TABLE span (
	bmc    INTEGER NOT NULL,
	since  INTEGER NOT NULL,
	until  INTEGER NOT NULL,
	health TEXT    NOT NULL,
	failed TEXT    NOT NULL,
	reason TEXT    NOT NULL,
	rounds INTEGER NOT NULL,
	PRIMARY KEY (bmc, since)
) WITHOUT ROWID;

-- Whole verdicts that were not healthy.
CREATE TABLE verdict (
	bmc   INTEGER NOT NULL,
	due   INTEGER NOT NULL,
	why   TEXT    NOT NULL,
	again INTEGER NOT NULL, -- 1: it says just what the one before it said
	doc   BLOB    NOT NULL,
	PRIMARY KEY (bmc, due, why)
) WITHOUT ROWID;

CREATE TABLE change (
	number INTEGER PRIMARY KEY AUTOINCREMENT,
	bmc    INTEGER NOT NULL,
	due    INTEGER NOT NULL, -- of the deciding round
	kind   TEXT    NOT NULL,
	at     INTEGER NOT NULL,
	doc    BLOB    NOT NULL,
	UNIQUE (bmc, due, kind)
);
CREATE INDEX change_at ON change (at);

CREATE TABLE fact (
	bmc INTEGER PRIMARY KEY,
	doc BLOB NOT NULL
);

CREATE TABLE ack (
	bmc   TEXT PRIMARY KEY,
	who   TEXT NOT NULL,
	note  TEXT NOT NULL,
	at    INTEGER NOT NULL,
	until INTEGER NOT NULL -- 0: when the BMC is healthy again
) WITHOUT ROWID;

CREATE TABLE position (
	topic  TEXT    NOT NULL,
	number INTEGER NOT NULL,
	next   INTEGER NOT NULL,
	PRIMARY KEY (topic, number)
) WITHOUT ROWID;

CREATE TABLE outbox (
	number   INTEGER PRIMARY KEY AUTOINCREMENT,
	topic    TEXT    NOT NULL,
	key      TEXT    NOT NULL,
	id       TEXT    NOT NULL,
	value    BLOB, -- NULL: the BMC's state, as it is when the record is sent
	partition INTEGER NOT NULL, -- of the verdicts that it rests on
	position INTEGER NOT NULL, -- what was to be read there next; -1: none was read
	at       INTEGER NOT NULL
);
