-- Incidents, in the order in which they were first kept.
CREATE TABLE incident (
	number INTEGER PRIMARY KEY AUTOINCREMENT,
	id     TEXT    NOT NULL UNIQUE,
	seq    INTEGER NOT NULL,
	opened INTEGER NOT NULL,
	closed INTEGER NOT NULL, -- 0: it is not
	doc    BLOB    NOT NULL  -- the document of bmc.incident.v1
);
CREATE INDEX incident_closed ON incident (closed);

CREATE TABLE member (
	incident TEXT NOT NULL,
	bmc      TEXT NOT NULL,
	gone     INTEGER NOT NULL, -- since when it does not fail in it any more; 0: it does
	doc      BLOB NOT NULL,
	PRIMARY KEY (incident, bmc)
) WITHOUT ROWID;
CREATE INDEX member_bmc ON member (bmc, incident);

CREATE TABLE silence (
	id    TEXT PRIMARY KEY,
	seq   INTEGER NOT NULL,
	until INTEGER NOT NULL, -- or when somebody ended it
	doc   BLOB    NOT NULL  -- the document of bmc.silence.v1
) WITHOUT ROWID;

CREATE TABLE ticket (
	incident TEXT NOT NULL,
	desk     TEXT NOT NULL,
	at       INTEGER NOT NULL,
	doc      BLOB NOT NULL, -- the document of bmc.ticket.v1
	PRIMARY KEY (incident, desk)
) WITHOUT ROWID;
