DROP TABLE journal_head;
DROP TABLE transfers;
DROP TABLE journal_entries;
DROP TABLE ledger_accounts;
