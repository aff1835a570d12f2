-- Usage, quotas and capacity. As in 0001: one text for both databases, times in microseconds, 0 for "not yet".
-- Values of usage are kept in chunks: a row holds a day, a week or a month of an instance, all metrics together, packed
-- (services/usage says how). BYTEA is a blob in both.

-- +goose Up
ALTER TABLE request ADD COLUMN waiting_since BIGINT NOT NULL DEFAULT 0;

-- Growth of an instance: whether it is to be stopped, and what was last done about it.
ALTER TABLE instance ADD COLUMN stopped BIGINT NOT NULL DEFAULT 0;      -- 1: wanted, because a limit of its space is reached
ALTER TABLE instance ADD COLUMN stopped_as TEXT NOT NULL DEFAULT '';    -- the means in force: app-create, ingress, …; '' for none
ALTER TABLE instance ADD COLUMN stop_problem TEXT NOT NULL DEFAULT '';  -- why what is wanted could not be done yet
ALTER TABLE instance ADD COLUMN told_limit TEXT NOT NULL DEFAULT '';    -- the limit that the application was last told
ALTER TABLE instance ADD COLUMN volume_mib BIGINT NOT NULL DEFAULT 0;   -- the size that the volume was last given
CREATE INDEX instance_space ON instance (space_id);

CREATE TABLE cluster (
    name            TEXT PRIMARY KEY,
    turn            BIGINT NOT NULL DEFAULT 0, -- grows with each promise: whoever promises takes the row's lock first
    nodes           BIGINT NOT NULL DEFAULT 0,
    cpu             BIGINT NOT NULL DEFAULT 0, -- MHz; MiB below
    memory          BIGINT NOT NULL DEFAULT 0,
    disk            BIGINT NOT NULL DEFAULT 0,
    used_cpu        BIGINT NOT NULL DEFAULT 0,
    used_memory     BIGINT NOT NULL DEFAULT 0,
    used_disk       BIGINT NOT NULL DEFAULT 0,
    foreign_cpu     BIGINT NOT NULL DEFAULT 0,
    foreign_memory  BIGINT NOT NULL DEFAULT 0,
    foreign_disk    BIGINT NOT NULL DEFAULT 0,
    seen_at         BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE cluster_day (
    cluster           TEXT NOT NULL,
    day               BIGINT NOT NULL, -- midnight UTC
    promisable_cpu    BIGINT NOT NULL,
    promisable_memory BIGINT NOT NULL,
    promisable_disk   BIGINT NOT NULL,
    reserved_cpu      BIGINT NOT NULL,
    reserved_memory   BIGINT NOT NULL,
    reserved_disk     BIGINT NOT NULL,
    used_cpu          BIGINT NOT NULL,
    used_memory       BIGINT NOT NULL,
    used_disk         BIGINT NOT NULL,
    storage_used      BIGINT NOT NULL, -- bytes
    spaces            BIGINT NOT NULL,
    PRIMARY KEY (cluster, day)
);

-- One per instance that is measured. Whoever changes it or its chunks takes the row's lock first. Days are counted from 1970,
-- UTC. Its number is short, for chunks have it in their key.
CREATE TABLE usage_series (
    id          INTEGER PRIMARY KEY,
    instance_id TEXT NOT NULL UNIQUE REFERENCES instance (id),
    next_at     BIGINT NOT NULL,            -- when it is measured next
    measured_at BIGINT NOT NULL DEFAULT 0,  -- when a look last gave anything
    active_at   BIGINT NOT NULL DEFAULT 0,  -- when people last used it, as far as frama can tell
    failures    BIGINT NOT NULL DEFAULT 0,  -- looks in a row that gave nothing
    rolled_to   INTEGER NOT NULL DEFAULT 0, -- first day that is not rolled up
    rolled_on   INTEGER NOT NULL DEFAULT 0, -- day on which that was last tried
    forgot_on   INTEGER NOT NULL DEFAULT 0, -- day on which old chunks were last deleted
    newest      BYTEA NOT NULL,             -- what was read last of each metric, packed; empty for nothing
    broken      TEXT NOT NULL DEFAULT ''    -- what cannot be read of what is kept
);
CREATE INDEX usage_series_next ON usage_series (next_at);
CREATE INDEX usage_series_active ON usage_series (active_at);
CREATE INDEX usage_series_rolled ON usage_series (rolled_on);
CREATE INDEX usage_series_forgot ON usage_series (forgot_on);

CREATE TABLE usage_chunk (
    series INTEGER NOT NULL REFERENCES usage_series (id),
    start  INTEGER NOT NULL,  -- first day
    level  SMALLINT NOT NULL, -- 0 a day as read, 1 a week of hours, 2 a month of days
    data   BYTEA NOT NULL,
    PRIMARY KEY (series, level, start)
);

-- The newest values once more, for sums: a row is written when a value changes.
CREATE TABLE usage_now (
    instance_id TEXT NOT NULL REFERENCES instance (id),
    metric      TEXT NOT NULL,
    value       BIGINT NOT NULL,
    at          BIGINT NOT NULL, -- since when it is that
    PRIMARY KEY (instance_id, metric)
);

CREATE TABLE plan_version (
    plan       TEXT NOT NULL,
    version    BIGINT NOT NULL,
    limits     TEXT NOT NULL, -- JSON
    thresholds TEXT NOT NULL, -- JSON
    retention  TEXT NOT NULL, -- JSON
    applied_at BIGINT NOT NULL,
    applied_by TEXT NOT NULL,
    PRIMARY KEY (plan, version)
);

CREATE TABLE quota (
    space_id     TEXT NOT NULL REFERENCES space (id),
    metric       TEXT NOT NULL,
    used         BIGINT NOT NULL,
    most         BIGINT NOT NULL, -- the limit; -1 for none
    permille     BIGINT NOT NULL, -- used in thousandths of most
    month_ago    BIGINT NOT NULL DEFAULT -1,
    growth       BIGINT NOT NULL DEFAULT 0, -- in 30 days
    level        TEXT NOT NULL,
    level_since  BIGINT NOT NULL,
    told         TEXT NOT NULL DEFAULT 'ok',
    told_at      BIGINT NOT NULL DEFAULT 0,
    stops_at     BIGINT NOT NULL DEFAULT 0,
    grace_ends   BIGINT NOT NULL DEFAULT 0, -- kept until usage is well below, so that grace is given once
    stopped_at   BIGINT NOT NULL DEFAULT 0,
    allowed_at   BIGINT NOT NULL DEFAULT 0,
    measured_at  BIGINT NOT NULL,
    exception_id TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (space_id, metric)
);
CREATE INDEX quota_permille ON quota (permille, space_id, metric);
CREATE INDEX quota_growth ON quota (metric, growth, space_id);
CREATE INDEX quota_stops ON quota (stops_at) WHERE stops_at > 0;

CREATE TABLE quota_exception (
    id         TEXT PRIMARY KEY,
    space_id   TEXT NOT NULL REFERENCES space (id),
    metric     TEXT NOT NULL,
    most       BIGINT NOT NULL,
    reason     TEXT NOT NULL,
    expires_at BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    ended_at   BIGINT NOT NULL DEFAULT 0,
    ended_by   TEXT NOT NULL DEFAULT ''
);
CREATE INDEX quota_exception_space ON quota_exception (space_id, metric);

CREATE TABLE quota_ask (
    id          TEXT PRIMARY KEY,
    space_id    TEXT NOT NULL REFERENCES space (id),
    plan        TEXT NOT NULL,
    metric      TEXT NOT NULL,
    wanted      BIGINT NOT NULL,
    reason      TEXT NOT NULL,
    state       TEXT NOT NULL,
    answer      TEXT NOT NULL DEFAULT '',
    created_at  BIGINT NOT NULL,
    answered_at BIGINT NOT NULL DEFAULT 0,
    answered_by TEXT NOT NULL DEFAULT ''
);
-- A space waits for one answer at a time.
CREATE UNIQUE INDEX quota_ask_open ON quota_ask (space_id) WHERE state = 'open';
CREATE INDEX quota_ask_state ON quota_ask (state, created_at);

-- Content that a rule of retention is about: announced, exported, then removed.
CREATE TABLE retention (
    id           TEXT PRIMARY KEY,
    instance_id  TEXT NOT NULL REFERENCES instance (id),
    metric       TEXT NOT NULL,
    object       TEXT NOT NULL, -- its name in the application
    changed_at   BIGINT NOT NULL,
    unused       BIGINT NOT NULL, -- of the rule, in seconds
    announced_at BIGINT NOT NULL,
    remove_at    BIGINT NOT NULL,
    mail_id      TEXT NOT NULL, -- the announcement, in the outbox
    state        TEXT NOT NULL, -- announced, exported, kept, gone, removed
    ended_at     BIGINT NOT NULL DEFAULT 0,
    keep_until   BIGINT NOT NULL DEFAULT 0, -- what the association wished
    file         TEXT NOT NULL DEFAULT '', -- where it was exported to, below usage.archive
    problem      TEXT NOT NULL DEFAULT '',
    audited      BIGINT NOT NULL DEFAULT 0 -- 1 once its removal is in the audit log
);
CREATE UNIQUE INDEX retention_open ON retention (instance_id, metric, object) WHERE state IN ('announced', 'exported');
CREATE INDEX retention_instance ON retention (instance_id, state);

CREATE TABLE retention_look (
    instance_id TEXT PRIMARY KEY REFERENCES instance (id),
    at          BIGINT NOT NULL,
    next_at     BIGINT NOT NULL,
    busy_until  BIGINT NOT NULL, -- 0 while nobody looks
    objects     BIGINT NOT NULL DEFAULT 0,
    unread      BIGINT NOT NULL DEFAULT 0,
    problem     TEXT NOT NULL DEFAULT '',
    after       TEXT NOT NULL DEFAULT '' -- the object with which a look ended for lack of time
);

-- +goose Down
DROP TABLE retention_look;
DROP TABLE retention;
DROP TABLE quota_ask;
DROP TABLE quota_exception;
DROP TABLE quota;
DROP TABLE plan_version;
DROP TABLE usage_now;
DROP TABLE usage_chunk;
DROP TABLE usage_series;
DROP TABLE cluster_day;
DROP TABLE cluster;
DROP INDEX instance_space;
ALTER TABLE instance DROP COLUMN volume_mib;
ALTER TABLE instance DROP COLUMN told_limit;
ALTER TABLE instance DROP COLUMN stop_problem;
ALTER TABLE instance DROP COLUMN stopped_as;
ALTER TABLE instance DROP COLUMN stopped;
ALTER TABLE request DROP COLUMN waiting_since;
