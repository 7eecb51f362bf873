//! The sandbox bank: accounts, transfers and statements on loopback, behind the sandbox rail.
//!
//! Owns what a bank owes its customers: a transfer happens once for its reference, no account goes below zero, and every
//! movement is listed with a number that only grows. `POST /bank/accounts`, `POST /bank/transfers`,
//! `GET /bank/accounts/{account}`, `GET /bank/accounts/{account}/movements?after=`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::reply::{Reply, Request};
use crate::domain::money::{Amount, Currency};
use crate::domain::time::Timestamp;

/// Movements on one page of a statement.
const PAGE: usize = 200;

/// A transfer that has happened; its number is its place in the list, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    pub from: String,
    pub to: String,
    pub amount: Amount,
    pub reference: String,
    pub at: Timestamp,
}

/// All accounts, by name, and everything that happened on them.
#[derive(Clone, Debug, Default)]
pub struct Bank {
    pub balances: BTreeMap<String, Amount>,
    pub transfers: Vec<Transfer>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenAccount {
    account: String,
    balance: String,
    currency: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OrderTransfer {
    from: String,
    to: String,
    amount: String,
    currency: String,
    reference: String,
}

fn refuse(status: u16, text: impl Into<String>) -> Reply {
    Reply::json(status, &json!({ "error": text.into() }))
}

/// Answers one request below `/bank`.
pub fn answer(bank: &mut Bank, request: &Request, now: Timestamp) -> Reply {
    let segments = request.segments();
    let path: Vec<&str> = segments.iter().map(String::as_str).collect();
    match (request.method.as_str(), path.as_slice()) {
        ("POST", ["accounts"]) => match serde_json::from_slice::<OpenAccount>(&request.body) {
            Ok(order) => open(bank, order),
            Err(error) => refuse(400, error.to_string()),
        },
        ("POST", ["transfers"]) => match serde_json::from_slice::<OrderTransfer>(&request.body) {
            Ok(order) => transfer(bank, order, now),
            Err(error) => refuse(400, error.to_string()),
        },
        ("GET", ["accounts", account]) => match bank.balances.get(*account) {
            None => refuse(404, format!("there is no account {account}")),
            Some(balance) => Reply::json(
                200,
                &json!({ "account": account, "balance": balance.to_wire(), "currency": balance.currency().as_str() }),
            ),
        },
        ("GET", ["accounts", account, "movements"]) => {
            if !bank.balances.contains_key(*account) {
                return refuse(404, format!("there is no account {account}"));
            }
            match request.query.get("after").map_or(Ok(0), |after| after.parse()) {
                Ok(after) => Reply::json(200, &movements(bank, account, after)),
                Err(_) => refuse(400, "`after` is the number of a movement"),
            }
        }
        _ => refuse(404, "the bank has no such counter"),
    }
}

fn open(bank: &mut Bank, order: OpenAccount) -> Reply {
    let currency: Result<Currency, _> = order.currency.parse();
    let balance = currency.and_then(|currency| Amount::parse(&order.balance, currency));
    match balance {
        Err(error) => refuse(400, error.to_string()),
        Ok(balance) if balance.units() < 0 => refuse(400, "an account does not open below zero"),
        Ok(_) if bank.balances.contains_key(&order.account) => refuse(409, "this account is open"),
        Ok(balance) => {
            bank.balances.insert(order.account, balance);
            Reply::empty(204)
        }
    }
}

fn transfer(bank: &mut Bank, order: OrderTransfer, now: Timestamp) -> Reply {
    let currency: Result<Currency, _> = order.currency.parse();
    let amount = match currency.and_then(|currency| Amount::parse_positive(&order.amount, currency)) {
        Ok(amount) => amount,
        Err(error) => return refuse(400, error.to_string()),
    };
    if amount.floor_to_cent() != amount {
        return refuse(422, "a bank moves whole cents only");
    }
    let wanted = Transfer { from: order.from, to: order.to, amount, reference: order.reference, at: now };
    let known = bank.transfers.iter().find(|known| known.from == wanted.from && known.reference == wanted.reference);
    if let Some(known) = known {
        let is_same = known.to == wanted.to && known.amount == wanted.amount;
        return if is_same { Reply::empty(204) } else { refuse(409, "another transfer has this reference") };
    }
    let (from, to) = (bank.balances.get(&wanted.from).copied(), bank.balances.get(&wanted.to).copied());
    let (Some(from), Some(to)) = (from, to) else {
        return refuse(422, "one of the two accounts does not exist");
    };
    let rest = from.checked_sub(amount).filter(|rest| rest.units() >= 0);
    let (Some(rest), Some(sum)) = (rest, to.checked_add(amount)) else {
        return refuse(422, format!("{} holds {from}, {amount} was asked for", wanted.from));
    };
    if wanted.from == wanted.to {
        return refuse(422, "a transfer is between two accounts");
    }
    bank.balances.insert(wanted.from.clone(), rest);
    bank.balances.insert(wanted.to.clone(), sum);
    bank.transfers.push(wanted);
    Reply::empty(204)
}

fn movements(bank: &Bank, account: &str, after: usize) -> Value {
    let of_account = bank.transfers.iter().enumerate().skip(after).filter_map(|(index, transfer)| {
        let (sign, counterparty) = if transfer.to == account {
            (1, &transfer.from)
        } else if transfer.from == account {
            (-1, &transfer.to)
        } else {
            return None;
        };
        let amount = Amount::from_units(sign * transfer.amount.units(), transfer.amount.currency());
        Some(json!({
            "id": index + 1,
            "amount": amount.to_wire(),
            "currency": amount.currency().as_str(),
            "reference": transfer.reference,
            "counterparty": counterparty,
            "value_at": transfer.at.to_string(),
        }))
    });
    Value::Array(of_account.take(PAGE).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(bank: &mut Bank, path: &str, body: Value) -> u16 {
        let request = Request {
            method: "POST".to_owned(),
            path: path.to_owned(),
            body: body.to_string().into_bytes(),
            ..Request::default()
        };
        answer(bank, &request, Timestamp::from_seconds(0)).status
    }

    fn order(amount: &str, reference: &str) -> Value {
        json!({ "from": "A", "to": "B", "amount": amount, "currency": "EUR", "reference": reference })
    }

    fn bank() -> Bank {
        let mut bank = Bank::default();
        for (account, balance) in [("A", "10.00"), ("B", "0.00")] {
            let body = json!({ "account": account, "balance": balance, "currency": "EUR" });
            assert_eq!(post(&mut bank, "/accounts", body), 204);
        }
        bank
    }

    #[test]
    fn a_transfer_happens_once_for_its_reference() {
        let mut bank = bank();
        assert_eq!(post(&mut bank, "/transfers", order("4.00", "r1")), 204);
        assert_eq!(post(&mut bank, "/transfers", order("4.00", "r1")), 204);
        assert_eq!(post(&mut bank, "/transfers", order("5.00", "r1")), 409);
        assert_eq!(bank.balances["B"].to_plain(), "4.00");
        assert_eq!(movements(&bank, "A", 0)[0]["amount"], "-4.000000");
        assert_eq!(movements(&bank, "B", 0)[0]["id"], 1);
        assert_eq!(movements(&bank, "B", 1), json!([]));
    }

    #[test]
    fn what_a_bank_cannot_do_is_refused() {
        let mut bank = bank();
        assert_eq!(post(&mut bank, "/transfers", order("10.01", "r1")), 422);
        assert_eq!(post(&mut bank, "/transfers", order("0.001", "r2")), 422);
        assert_eq!(post(&mut bank, "/transfers", order("-1", "r3")), 400);
        let stranger = json!({ "from": "A", "to": "X", "amount": "1", "currency": "EUR", "reference": "r4" });
        assert_eq!(post(&mut bank, "/transfers", stranger), 422);
        assert!(bank.transfers.is_empty());
    }
}
