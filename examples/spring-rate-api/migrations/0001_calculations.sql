-- A row is never removed: `deleted` marks it, so that other devices learn of it by their next sync.
CREATE TABLE calculations (
  owner TEXT NOT NULL,
  id TEXT NOT NULL,
  manufacturer TEXT NOT NULL,
  part_number TEXT NOT NULL,
  material TEXT NOT NULL,
  units TEXT NOT NULL,
  d REAL NOT NULL,
  big_d REAL NOT NULL,
  n REAL NOT NULL,
  k REAL NOT NULL,
  version INTEGER NOT NULL,
  updated_at TEXT NOT NULL,
  digest TEXT NOT NULL,
  deleted INTEGER NOT NULL DEFAULT 0,
  seq INTEGER NOT NULL,
  PRIMARY KEY (owner, id)
);
CREATE INDEX calculations_by_seq ON calculations (owner, seq);
CREATE INDEX calculations_by_update ON calculations (owner, deleted, updated_at);
