-- One row: the currency of the books, as it was at the first start. It can never change.
CREATE TABLE ledger_currency (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    currency TEXT NOT NULL
);
