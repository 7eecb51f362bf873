DROP TABLE ledger_currency;
