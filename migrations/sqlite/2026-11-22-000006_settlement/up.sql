-- Clearing and settlement between instances.

CREATE TABLE peers (
    id INTEGER PRIMARY KEY,
    uri TEXT NOT NULL UNIQUE,
    host TEXT NOT NULL UNIQUE,
    inbox TEXT NOT NULL,
    -- 'added': our operator settles with it. 'seen': it offered terms, and our operator has not said yes.
    state TEXT NOT NULL CHECK (state IN ('seen', 'added', 'suspended')),
    created_at INTEGER NOT NULL
) STRICT;

-- One direction of debt between two instances in one currency.
CREATE TABLE channels (
    id INTEGER PRIMARY KEY,
    peer_id INTEGER NOT NULL REFERENCES peers (id),
    key TEXT NOT NULL UNIQUE,
    debtor_uri TEXT NOT NULL,
    creditor_uri TEXT NOT NULL,
    currency TEXT NOT NULL,
    is_debtor INTEGER NOT NULL,
    terms TEXT NOT NULL CHECK (terms IN ('none', 'offered', 'open')),
    frozen_because TEXT,
    -- Where the other side wants to be paid, from the terms.
    payee_account TEXT,
    -- What the terms say is the smallest payment: less is carried, and never overdue.
    minimum_units INTEGER NOT NULL
) STRICT;

-- Every message of a channel, ours and theirs, with its bytes: the evidence.
CREATE TABLE channel_messages (
    id INTEGER PRIMARY KEY,
    channel_id INTEGER NOT NULL REFERENCES channels (id),
    is_ours INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    uri TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    digest TEXT NOT NULL,
    body TEXT NOT NULL,
    stored_at INTEGER NOT NULL,
    UNIQUE (channel_id, is_ours, sequence)
) STRICT;

-- A month's statement and, once bound, its obligation.
CREATE TABLE statements (
    id INTEGER PRIMARY KEY,
    channel_id INTEGER NOT NULL REFERENCES channels (id),
    month TEXT NOT NULL,
    uri TEXT NOT NULL UNIQUE,
    digest TEXT NOT NULL,
    state TEXT NOT NULL,
    units INTEGER NOT NULL CHECK (units > 0),
    like_count INTEGER NOT NULL,
    creator_count INTEGER NOT NULL,
    root TEXT NOT NULL,
    paid_units INTEGER NOT NULL CHECK (paid_units >= 0 AND paid_units <= units),
    expires_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    answer_uri TEXT,
    created_at INTEGER NOT NULL,
    UNIQUE (channel_id, month)
) STRICT;
CREATE INDEX statements_state ON statements (state);

CREATE TABLE statement_lines (
    id INTEGER PRIMARY KEY,
    statement_id INTEGER NOT NULL REFERENCES statements (id),
    position INTEGER NOT NULL,
    creator_uri TEXT NOT NULL,
    identity TEXT NOT NULL,
    like_count INTEGER NOT NULL,
    units INTEGER NOT NULL CHECK (units >= 0),
    leaves_root TEXT NOT NULL,
    subtotal TEXT NOT NULL,
    origin_month TEXT,
    paid_units INTEGER NOT NULL CHECK (paid_units >= 0 AND paid_units <= units),
    UNIQUE (statement_id, position)
) STRICT;

-- A payment between instances, from its notice to its receipt.
CREATE TABLE payments (
    id INTEGER PRIMARY KEY,
    channel_id INTEGER NOT NULL REFERENCES channels (id),
    uri TEXT NOT NULL UNIQUE,
    digest TEXT NOT NULL,
    reference TEXT NOT NULL UNIQUE,
    units INTEGER NOT NULL CHECK (units > 0),
    currency TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('noticed', 'sent', 'debited', 'receipted')),
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE payment_parts (
    id INTEGER PRIMARY KEY,
    payment_id INTEGER NOT NULL REFERENCES payments (id),
    statement_id INTEGER NOT NULL REFERENCES statements (id),
    units INTEGER NOT NULL CHECK (units > 0),
    UNIQUE (payment_id, statement_id)
) STRICT;

-- What went wrong between instances, with the bytes that show it.
CREATE TABLE evidence (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    first_body TEXT NOT NULL,
    second_body TEXT NOT NULL,
    found_at INTEGER NOT NULL,
    UNIQUE (kind, subject)
) STRICT;

-- What peers have committed to, as they signed it: the root under every statement that we accepted.
CREATE TABLE peer_commitments (
    id INTEGER PRIMARY KEY,
    home_uri TEXT NOT NULL,
    month TEXT NOT NULL,
    digest TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (home_uri, month)
) STRICT;
