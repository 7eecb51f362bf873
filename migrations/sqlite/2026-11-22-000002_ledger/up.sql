-- The books: accounts with running sums, an append-only journal, and its head.

CREATE TABLE ledger_accounts (
    id INTEGER PRIMARY KEY,
    code TEXT NOT NULL,
    currency TEXT NOT NULL,
    class TEXT NOT NULL CHECK (class IN ('asset', 'liability', 'income', 'expense')),
    debits_posted INTEGER NOT NULL CHECK (debits_posted >= 0),
    debits_pending INTEGER NOT NULL CHECK (debits_pending >= 0),
    credits_posted INTEGER NOT NULL CHECK (credits_posted >= 0),
    credits_pending INTEGER NOT NULL CHECK (credits_pending >= 0),
    UNIQUE (code, currency),
    -- No account goes to the wrong side, reservations included.
    CHECK (class NOT IN ('asset', 'expense') OR credits_posted + credits_pending <= debits_posted),
    CHECK (class NOT IN ('liability', 'income') OR debits_posted + debits_pending <= credits_posted)
) STRICT;

CREATE TABLE journal_entries (
    sequence INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    at INTEGER NOT NULL,
    hash BLOB NOT NULL
) STRICT;

CREATE TABLE transfers (
    id TEXT PRIMARY KEY NOT NULL,
    entry_sequence INTEGER NOT NULL REFERENCES journal_entries (sequence),
    position INTEGER NOT NULL,
    debit_account_id INTEGER NOT NULL REFERENCES ledger_accounts (id),
    credit_account_id INTEGER NOT NULL REFERENCES ledger_accounts (id),
    units INTEGER NOT NULL CHECK (units > 0),
    currency TEXT NOT NULL,
    phase TEXT NOT NULL CHECK (phase IN ('posted', 'pending', 'post', 'void')),
    pending_id TEXT UNIQUE REFERENCES transfers (id),
    CHECK (debit_account_id <> credit_account_id),
    CHECK ((pending_id IS NOT NULL) = (phase IN ('post', 'void'))),
    UNIQUE (entry_sequence, position)
) STRICT;
CREATE INDEX transfers_debit ON transfers (debit_account_id);
CREATE INDEX transfers_credit ON transfers (credit_account_id);

-- One row: the last entry. Locking it serialises everything that changes the books.
CREATE TABLE journal_head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    sequence INTEGER NOT NULL,
    hash BLOB NOT NULL
) STRICT;

-- History is never changed: the database refuses it too.
CREATE TRIGGER journal_entries_refuse_update BEFORE UPDATE ON journal_entries
BEGIN
    SELECT RAISE(ABORT, 'journal_entries is append-only');
END;
CREATE TRIGGER journal_entries_refuse_delete BEFORE DELETE ON journal_entries
BEGIN
    SELECT RAISE(ABORT, 'journal_entries is append-only');
END;
CREATE TRIGGER transfers_refuse_update BEFORE UPDATE ON transfers
BEGIN
    SELECT RAISE(ABORT, 'transfers is append-only');
END;
CREATE TRIGGER transfers_refuse_delete BEFORE DELETE ON transfers
BEGIN
    SELECT RAISE(ABORT, 'transfers is append-only');
END;
