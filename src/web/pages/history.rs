//! What was: a patron's closed months with every share, and every movement of the balance.
//!
//! Owns that totals agree between pages: shares and fee are shown to the last unit and add up to what was reserved.

use std::collections::HashMap;

use actix_web::get;
use actix_web::web::{Path, ServiceConfig};
use askama::Template;

use super::people::{object_path, platform_label, title_of};
use super::revenue::obligation;
use super::{Page, PageError, PageResult, Visit, ok};
use crate::domain::id::StatementId;
use crate::domain::ledger::Account;
use crate::domain::money::Amount;
use crate::domain::settlement::host_of;
use crate::domain::time::Month;
use crate::storage::months::{Outcome, ShareDetail};
use crate::storage::settlement::{ChannelRow, Statement};
use crate::storage::{Tx, ledger, months, settlement};

pub fn routes(config: &mut ServiceConfig) {
    config.service(get_history).service(get_month);
}

struct MonthRow {
    month: String,
    path: String,
    reserved: String,
    fee: String,
    is_partial: bool,
}

/// One movement of a balance.
pub struct BookingRow {
    pub date: String,
    pub what: String,
    pub amount: String,
    pub is_out: bool,
}

#[derive(Template)]
#[template(path = "history.html")]
struct HistoryPage {
    t: Page,
    months: Vec<MonthRow>,
    bookings: Vec<BookingRow>,
    total: String,
}

#[get("/me/history")]
async fn get_history(visit: Visit) -> PageResult {
    let patron = visit.patron()?.clone();
    let (id, currency) = (patron.id, patron.currency()?);
    let (budgets, bookings) = visit
        .read(move |tx| {
            let bookings = ledger::bookings(tx, &Account::PatronAvailable(id), currency)?;
            Ok((months::budgets_of_patron(tx, id)?, bookings))
        })
        .await?;
    let t = visit.text;
    let mut rows = Vec::new();
    for budget in budgets {
        let month: Month = budget.month.parse().map_err(|_| crate::storage::Error::corrupt("month", &budget.month))?;
        rows.push(MonthRow {
            month: t.month(month),
            path: format!("/me/history/{month}"),
            reserved: t.money(budget.reserved()?),
            fee: t.money(budget.fee()?),
            is_partial: budget.is_partial,
        });
    }
    let total = Amount::sum(bookings.iter().map(|booking| booking.amount), currency);
    let total = total.ok_or_else(|| crate::storage::Error::corrupt("sum of bookings of patron", id))?;
    let page = HistoryPage {
        t: visit.page(t.history_title()),
        months: rows,
        bookings: bookings
            .iter()
            .map(|booking| BookingRow {
                date: t.moment(booking.at),
                what: t.booking(booking.kind.as_str()),
                amount: t.money(booking.amount),
                is_out: booking.amount.units() < 0,
            })
            .collect(),
        total: t.money(total),
    };
    ok(&page)
}

struct ShareRow {
    title: String,
    path: String,
    platform: String,
    outcome: String,
    amount: String,
}

#[derive(Template)]
#[template(path = "history_month.html")]
struct MonthPage {
    t: Page,
    reserved: String,
    fee: Option<String>,
    is_partial: bool,
    is_divided: bool,
    rows: Vec<ShareRow>,
    sum: String,
}

/// The statements that shares stand in, by id, each with its channel.
fn statements_of(
    tx: &mut Tx,
    shares: &[ShareDetail],
) -> Result<HashMap<i64, (Statement, ChannelRow)>, crate::storage::Error> {
    let mut found = HashMap::new();
    for id in shares.iter().filter_map(|detail| detail.share.statement_id) {
        if found.contains_key(&id) {
            continue;
        }
        if let Some(statement) = settlement::statement(tx, StatementId(id))?
            && let Some(channel) = settlement::channel(tx, statement.channel_id)?
        {
            found.insert(id, (statement, channel));
        }
    }
    Ok(found)
}

#[get("/me/history/{month}")]
async fn get_month(visit: Visit, month: Path<String>) -> PageResult {
    let patron = visit.patron()?.id;
    let month: Month = month.parse().map_err(|_| PageError::not_found())?;
    let found = visit
        .read(move |tx| match months::budget(tx, month, patron)? {
            Some(budget) => {
                let shares = months::shares_of_patron(tx, patron, month)?;
                let statements = statements_of(tx, &shares)?;
                Ok(Some((budget, shares, statements)))
            }
            None => Ok(None),
        })
        .await?;
    let (budget, shares, statements) = found.ok_or_else(PageError::not_found)?;
    let t = visit.text;
    let mut rows = Vec::new();
    let mut amounts = vec![budget.fee()?];
    for detail in &shares {
        let amount = detail.share.amount()?;
        amounts.push(amount);
        let statement = detail.share.statement_id.filter(|_| detail.share.outcome == Outcome::Stated.as_str());
        let outcome = match statement.and_then(|id| statements.get(&id)) {
            Some((statement, channel)) => {
                let owed = obligation(statement, channel, (statement.units, statement.paid_units), visit.now)?;
                t.stated_share(host_of(&channel.creditor_uri), &owed)
            }
            None => t.outcome(&detail.share.outcome),
        };
        rows.push(ShareRow {
            title: title_of(&detail.title, &detail.platform, &detail.object),
            path: object_path(&visit.state.instance, &detail.platform, &detail.object),
            platform: platform_label(&detail.platform),
            outcome,
            amount: t.money(amount),
        });
    }
    let sum = Amount::sum(amounts, budget.currency()?);
    let sum = sum.ok_or_else(|| crate::storage::Error::corrupt("sum of shares in", month))?;
    let fee = budget.fee()?;
    let page = MonthPage {
        t: visit.page(t.history_month_title(t.of_month(month))),
        reserved: t.money(budget.reserved()?),
        fee: fee.is_positive().then(|| t.money(fee)),
        is_partial: budget.is_partial,
        is_divided: budget.is_divided,
        rows,
        sum: t.money(sum),
    };
    ok(&page)
}
