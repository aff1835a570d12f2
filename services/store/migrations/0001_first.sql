-- One text for SQLite and PostgreSQL. Times are microseconds since 1970 UTC, 0 for "not yet"; identifiers are UUIDv7;
-- lists and documents are JSON in TEXT; sealed values are base64 in TEXT.

-- +goose Up
CREATE TABLE staff (
    id            TEXT PRIMARY KEY,
    email         TEXT NOT NULL UNIQUE, -- lower case
    name          TEXT NOT NULL,
    role          TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    created_at    BIGINT NOT NULL,
    disabled_at   BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE session (
    token_hash TEXT PRIMARY KEY,
    csrf       TEXT NOT NULL,
    staff_id   TEXT NOT NULL REFERENCES staff (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE TABLE failed_login (
    id      TEXT PRIMARY KEY,
    subject TEXT NOT NULL, -- what is limited: an address of mail or of the network
    at      BIGINT NOT NULL
);
CREATE INDEX failed_login_subject ON failed_login (subject, at);

CREATE TABLE request (
    id              TEXT PRIMARY KEY,
    state           TEXT NOT NULL,
    association     TEXT NOT NULL,
    rna             TEXT NOT NULL,
    siret           TEXT NOT NULL,
    website         TEXT NOT NULL,
    contact         TEXT NOT NULL,
    email           TEXT NOT NULL,
    lang            TEXT NOT NULL,
    purpose         TEXT NOT NULL,
    slug            TEXT NOT NULL,
    kinds           TEXT NOT NULL,
    plan            TEXT NOT NULL,
    charter_version TEXT NOT NULL,
    reason          TEXT NOT NULL DEFAULT '',
    reviewer_id     TEXT NOT NULL DEFAULT '',
    space_id        TEXT NOT NULL DEFAULT '',
    created_at      BIGINT NOT NULL,
    confirmed_at    BIGINT NOT NULL DEFAULT 0,
    decided_at      BIGINT NOT NULL DEFAULT 0,
    confirm_hash    TEXT NOT NULL UNIQUE, -- SHA-256 of the link's token
    track_hash      TEXT NOT NULL UNIQUE,
    search          TEXT NOT NULL         -- what the search looks at: lower case, without accents
);
CREATE INDEX request_state ON request (state, created_at);
CREATE INDEX request_slug ON request (slug, state);
-- How many requests an address has left unconfirmed is asked with each form.
CREATE INDEX request_unconfirmed ON request (lower(email), created_at) WHERE state = 'unconfirmed';

CREATE TABLE space (
    id           TEXT PRIMARY KEY,
    request_id   TEXT UNIQUE REFERENCES request (id), -- none for the host's own
    shared       BIGINT NOT NULL DEFAULT 0, -- 1 for the host's own: other spaces use its instance
    handle       TEXT NOT NULL UNIQUE, -- rows stay for ever, so a handle is never used twice
    slug         TEXT NOT NULL UNIQUE,
    name         TEXT NOT NULL,
    email        TEXT NOT NULL,
    lang         TEXT NOT NULL,
    plan         TEXT NOT NULL,
    cluster      TEXT NOT NULL DEFAULT '',
    state        TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    activated_at BIGINT NOT NULL DEFAULT 0,
    search       TEXT NOT NULL,
    CHECK ((shared = 1) = (request_id IS NULL))
);
CREATE INDEX space_state ON space (state, created_at);

CREATE TABLE instance (
    id         TEXT PRIMARY KEY,
    space_id   TEXT NOT NULL REFERENCES space (id),
    kind       TEXT NOT NULL,
    app        TEXT NOT NULL,
    version    TEXT NOT NULL,
    host       TEXT NOT NULL UNIQUE,
    job        TEXT NOT NULL UNIQUE,
    volume     TEXT NOT NULL UNIQUE,
    node       TEXT NOT NULL DEFAULT '',
    port       BIGINT NOT NULL DEFAULT 0,
    address    TEXT NOT NULL DEFAULT '', -- IP and port the ingress reaches it at
    routed     BIGINT NOT NULL DEFAULT 0, -- 1 once the ingress sends traffic to it
    health     TEXT NOT NULL,
    cpu        BIGINT NOT NULL,
    memory     BIGINT NOT NULL,
    memory_max BIGINT NOT NULL,
    disk       BIGINT NOT NULL,
    UNIQUE (space_id, app)
);
-- frama reserves ports: two instances never share one on a node.
CREATE UNIQUE INDEX instance_port ON instance (node, port) WHERE port > 0;

-- Which spaces use an instance of the host's own, instead of one for themselves.
CREATE TABLE tenant (
    space_id    TEXT NOT NULL REFERENCES space (id),
    instance_id TEXT NOT NULL REFERENCES instance (id),
    kind        TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (space_id, kind),
    UNIQUE (instance_id, space_id)
);

-- Steps of an instance's setup that are done, so that a retry goes on after them.
CREATE TABLE setup (
    instance_id TEXT NOT NULL REFERENCES instance (id),
    name        TEXT NOT NULL,
    done_at     BIGINT NOT NULL,
    PRIMARY KEY (instance_id, name)
);

-- What instances have on backing servers: written before anything is made there, and kept for ever, so that frama knows
-- of all it made and no name is used twice.
CREATE TABLE backing (
    id          TEXT PRIMARY KEY,
    instance_id TEXT NOT NULL REFERENCES instance (id),
    service     TEXT NOT NULL, -- what the application needs: postgres, mysql, redis, s3, smtp
    server      TEXT NOT NULL, -- its name in the configuration
    name        TEXT NOT NULL, -- of the database, user, key prefix or bucket there
    set_aside   TEXT NOT NULL DEFAULT '',
    state       TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    rotated_at  BIGINT NOT NULL DEFAULT 0,
    retired_at  BIGINT NOT NULL DEFAULT 0,
    holder      TEXT NOT NULL DEFAULT '', -- whoever works on it now
    held_until  BIGINT NOT NULL DEFAULT 0,
    UNIQUE (instance_id, service),
    UNIQUE (server, name)
);

CREATE TABLE certificate (
    id         TEXT PRIMARY KEY,
    host       TEXT NOT NULL UNIQUE,
    state      TEXT NOT NULL,
    chain_pem  TEXT NOT NULL DEFAULT '',
    sealed_key TEXT NOT NULL DEFAULT '',
    cert_url   TEXT NOT NULL DEFAULT '',
    not_before BIGINT NOT NULL DEFAULT 0,
    not_after  BIGINT NOT NULL DEFAULT 0,
    renew_at   BIGINT NOT NULL DEFAULT 0,
    attempts   BIGINT NOT NULL DEFAULT 0,
    last_error TEXT NOT NULL DEFAULT '',
    created_at BIGINT NOT NULL
);
CREATE INDEX certificate_renew ON certificate (renew_at);

CREATE TABLE run (
    id          TEXT PRIMARY KEY,
    space_id    TEXT NOT NULL REFERENCES space (id),
    kind        TEXT NOT NULL,
    version     BIGINT NOT NULL,
    state       TEXT NOT NULL,
    worker      TEXT NOT NULL DEFAULT '',
    fence       BIGINT NOT NULL DEFAULT 0,
    lease_until BIGINT NOT NULL DEFAULT 0,
    not_before  BIGINT NOT NULL DEFAULT 0,
    created_at  BIGINT NOT NULL,
    started_at  BIGINT NOT NULL DEFAULT 0,
    ended_at    BIGINT NOT NULL DEFAULT 0
);
-- One active run a space.
CREATE UNIQUE INDEX run_active ON run (space_id) WHERE state IN ('ready', 'running', 'parked');
CREATE INDEX run_claim ON run (not_before, id) WHERE state IN ('ready', 'running');
CREATE INDEX run_space ON run (space_id, created_at);

CREATE TABLE step (
    run_id     TEXT NOT NULL REFERENCES run (id),
    seq        BIGINT NOT NULL,
    name       TEXT NOT NULL,
    state      TEXT NOT NULL,
    attempts   BIGINT NOT NULL DEFAULT 0,
    errors     BIGINT NOT NULL DEFAULT 0,
    output     TEXT NOT NULL DEFAULT '',
    message    TEXT NOT NULL DEFAULT '',
    started_at BIGINT NOT NULL DEFAULT 0,
    ended_at   BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (run_id, seq)
);

CREATE TABLE outbox (
    id           TEXT PRIMARY KEY,
    message_id   TEXT NOT NULL UNIQUE, -- of the mail header, the same for every attempt
    recipient    TEXT NOT NULL,
    lang         TEXT NOT NULL,
    template     TEXT NOT NULL,
    args         TEXT NOT NULL,
    request_id   TEXT NOT NULL DEFAULT '',
    state        TEXT NOT NULL, -- waiting, sent, failed
    attempts     BIGINT NOT NULL DEFAULT 0,
    next_attempt BIGINT NOT NULL,
    last_error   TEXT NOT NULL DEFAULT '',
    created_at   BIGINT NOT NULL,
    sent_at      BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX outbox_next ON outbox (next_attempt) WHERE state = 'waiting';

CREATE TABLE audit (
    id      TEXT PRIMARY KEY,
    at      BIGINT NOT NULL,
    actor   TEXT NOT NULL,
    ip      TEXT NOT NULL,
    action  TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail  TEXT NOT NULL,
    search  TEXT NOT NULL -- as in request
);
CREATE INDEX audit_subject ON audit (subject, at);
CREATE INDEX audit_at ON audit (at);

-- Ingress agents and the version of the snapshot each one serves.
CREATE TABLE edge (
    name    TEXT PRIMARY KEY,
    version BIGINT NOT NULL,
    problem TEXT NOT NULL,
    seen_at BIGINT NOT NULL
);

-- Counters and sealed singletons: edge_version, acme account by directory, the seal's check value.
CREATE TABLE setting (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
INSERT INTO setting (name, value) VALUES ('edge_version', '1');

-- +goose Down
DROP TABLE setting;
DROP TABLE edge;
DROP TABLE audit;
DROP TABLE outbox;
DROP TABLE step;
DROP TABLE run;
DROP TABLE certificate;
DROP TABLE backing;
DROP TABLE setup;
DROP TABLE tenant;
DROP TABLE instance;
DROP TABLE space;
DROP TABLE request;
DROP TABLE failed_login;
DROP TABLE session;
DROP TABLE staff;
