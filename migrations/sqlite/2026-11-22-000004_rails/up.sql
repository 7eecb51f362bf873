-- Real money in and out.

-- Each movement on a rail is booked once, by the id that the rail gives it.
CREATE TABLE rail_movements (
    id INTEGER PRIMARY KEY,
    rail TEXT NOT NULL,
    movement TEXT NOT NULL,
    units INTEGER NOT NULL,
    currency TEXT NOT NULL,
    reference TEXT NOT NULL,
    counterparty TEXT NOT NULL,
    value_at INTEGER NOT NULL,
    booked_as TEXT NOT NULL,
    UNIQUE (rail, movement)
) STRICT;

CREATE TABLE payouts (
    id INTEGER PRIMARY KEY,
    creator_id INTEGER NOT NULL REFERENCES creators (id),
    rail TEXT NOT NULL,
    bank_account TEXT NOT NULL,
    units INTEGER NOT NULL CHECK (units > 0),
    currency TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('reserved', 'exported', 'confirmed', 'returned')),
    reference TEXT NOT NULL UNIQUE,
    requested_at INTEGER NOT NULL,
    ended_at INTEGER
) STRICT;
CREATE INDEX payouts_creator ON payouts (creator_id);
