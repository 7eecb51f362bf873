//! A month's public commitment for people: what it is, and the figures that others compare.
//!
//! Owns no figure: everything is read from the signed document, which programs get at the same address.

use askama::Template;
use serde_json::Value;

use super::{Page, PageResult, Visit, ok};
use crate::domain::money::{Amount, Currency};
use crate::domain::settlement::host_of;
use crate::domain::time::{Month, Timestamp};
use crate::storage;

struct TotalRow {
    currency: String,
    sum: String,
    root: String,
}

#[derive(Template)]
#[template(path = "commitment.html")]
struct CommitmentPage {
    t: Page,
    host: String,
    issued: String,
    digest: String,
    totals: Vec<TotalRow>,
    address: String,
}

/// The page of a commitment, for `/commitments/{month}`.
pub fn commitment_page(visit: &Visit, month: Month, commitment: &Value, digest: &str) -> PageResult {
    let t = visit.text;
    let corrupt = || storage::Error::corrupt("commitment", month);
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let issued: Timestamp = text(commitment, "issued").and_then(|at| at.parse().ok()).ok_or_else(corrupt)?;
    let mut totals = Vec::new();
    for total in commitment.get("totals").and_then(Value::as_array).ok_or_else(corrupt)? {
        let currency = text(total, "currency").ok_or_else(corrupt)?;
        let parsed: Currency = currency.parse().map_err(|_| corrupt())?;
        let sum = text(total, "sum").ok_or_else(corrupt)?;
        let sum = Amount::parse(&sum, parsed).map_err(|_| corrupt())?;
        totals.push(TotalRow { currency, sum: t.money(sum), root: text(total, "root").ok_or_else(corrupt)? });
    }
    let home = text(commitment, "attributedTo").ok_or_else(corrupt)?;
    ok(&CommitmentPage {
        t: visit.page(t.commitment_title(t.of_month(month))),
        host: host_of(&home).to_owned(),
        issued: t.moment(issued),
        digest: digest.to_owned(),
        totals,
        address: text(commitment, "id").ok_or_else(corrupt)?,
    })
}
