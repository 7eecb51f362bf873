//! Commands about the books: months, ledger accounts, payouts.

use serde_json::{Value, json};

use super::common::refuse;
use super::{Answer, Refused, table};
use crate::domain::money::Amount;
use crate::federation::Node;
use crate::flows::pay_out;
use crate::storage::{self, bank, ledger, likes, months, people};

pub async fn month_status(node: &Node) -> Result<Answer, Refused> {
    let rows = node
        .db
        .read(|tx| {
            let mut rows = Vec::new();
            for row in months::months(tx)? {
                let month = row.month()?;
                let budgets = months::budgets_of_month(tx, month)?;
                let reserved: i64 = budgets.iter().map(|budget| budget.reserved_units).sum();
                let counting: i64 = likes::count_by_standing(tx, month)?
                    .iter()
                    .filter(|(standing, _)| standing == "counting")
                    .map(|(_, count)| count)
                    .sum();
                rows.push((row, budgets.len(), reserved, counting));
            }
            Ok::<_, storage::Error>(rows)
        })
        .await
        .map_err(refuse)?;
    let currency = node.instance.policy.currency;
    let mut cells = Vec::new();
    let mut data = Vec::new();
    for (row, patrons, reserved, counting) in rows {
        let reserved = Amount::from_units(reserved, currency);
        data.push(json!({
            "month": row.month, "stage": row.stage, "patrons": patrons, "reserved": reserved.to_wire(),
            "flattrs": counting, "commitment": row.commitment_digest,
        }));
        cells.push(vec![row.month, row.stage, patrons.to_string(), counting.to_string(), reserved.to_plain()]);
    }
    Ok(Answer::new(table(&["month", "stage", "patrons", "flattrs", "reserved"], &cells), Value::Array(data)))
}

pub async fn ledger_accounts(node: &Node, prefix: String) -> Result<Answer, Refused> {
    let rows = node.db.read(move |tx| ledger::accounts(tx, &prefix)).await.map_err(refuse)?;
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|(account, balance)| {
            let posted = balance.posted();
            vec![account.to_string(), posted.to_plain(), posted.currency().to_string()]
        })
        .collect();
    let data: Vec<Value> = rows
        .iter()
        .map(|(account, balance)| {
            let posted = balance.posted();
            json!({ "account": account.to_string(), "posted": posted.to_wire(), "currency": posted.currency().as_str() })
        })
        .collect();
    Ok(Answer::new(table(&["account", "balance", ""], &cells), Value::Array(data)))
}

pub async fn payout_list(node: &Node) -> Result<Answer, Refused> {
    let instance = node.instance.clone();
    let rows = node
        .db
        .read(move |tx| {
            let mut rows = Vec::new();
            for creator in people::creators(tx)? {
                let promised: i64 = ledger::accounts(tx, &format!("creator:{}:promised:", creator.id))?
                    .iter()
                    .map(|(_, balance)| balance.posted().units())
                    .sum();
                let (available, _) = pay_out::balances(tx, &instance, creator.id)?;
                let paid: i64 = bank::payouts_of(tx, creator.id)?
                    .iter()
                    .filter(|payout| payout.state == "confirmed")
                    .map(|payout| payout.units)
                    .sum();
                rows.push((creator.name, promised, available, paid));
            }
            Ok::<_, storage::Error>(rows)
        })
        .await
        .map_err(refuse)?;
    let currency = node.instance.policy.currency;
    let shown = |units| Amount::from_units(units, currency);
    let mut cells = Vec::new();
    let mut data = Vec::new();
    for (name, promised, available, paid) in rows {
        let (promised, paid) = (shown(promised), shown(paid));
        data.push(json!({
            "creator": name, "promised": promised.to_wire(), "available": available.to_wire(), "paid": paid.to_wire(),
        }));
        cells.push(vec![name, promised.to_plain(), available.to_plain(), paid.to_plain()]);
    }
    Ok(Answer::new(table(&["creator", "promised", "available", "paid out"], &cells), Value::Array(data)))
}
