-- Only the hash of a refresh token is stored; access tokens are verified without the database.
CREATE TABLE sessions (
  refresh_hash TEXT PRIMARY KEY,
  owner TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  revoked_at INTEGER
);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
