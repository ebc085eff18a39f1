-- Expands only: 0.1.11 runs unchanged beside 0.1.12, which filters its list by manufacturer.
CREATE INDEX calculations_by_manufacturer ON calculations (owner, manufacturer, deleted, updated_at);
