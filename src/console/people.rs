//! Commands about people with an account here.

use serde_json::{Value, json};

use super::common::{amount, refuse};
use super::{Answer, Refused, table};
use crate::domain::id::PatronId;
use crate::domain::ledger::Account;
use crate::domain::money::Amount;
use crate::federation::Node;
use crate::flows::register::{self, Registration};
use crate::storage::{self, ledger, people};
use crate::web::auth;

pub async fn user_create(
    node: &Node,
    name: String,
    budget: Option<String>,
    is_public: bool,
    is_operator: bool,
) -> Result<Answer, Refused> {
    let budget = match budget {
        Some(text) => amount(node, &text)?,
        None => node.instance.policy.minimum_budget,
    };
    let (instance, now) = (node.instance.clone(), node.now());
    let registration = Registration { name, budget, is_public, is_operator };
    let name = registration.name.clone();
    let (reference, token) = node
        .write(move |tx| {
            let id = register::register(tx, &instance, &registration, now)?;
            let patron = people::patron(tx, id)?.ok_or_else(|| storage::Error::corrupt("patron", id))?;
            let token = auth::make_setup_token(tx, patron.login_id, now)?;
            Ok::<_, register::RegisterError>((patron.deposit_reference, token))
        })
        .await
        .map_err(refuse)?;
    let link = auth::setup_url(&node.instance.base_url, &token);
    let text = format!(
        "{name} sets aside {budget} a month; deposits carry the reference {reference}\n\
         set a password within three days, once: {link}"
    );
    Ok(Answer::new(text, json!({ "name": name, "deposit_reference": reference, "setup_link": link })))
}

/// A new one-time link for somebody with an account here.
pub async fn user_password(node: &Node, name: String) -> Result<Answer, Refused> {
    let (owned, now) = (name.clone(), node.now());
    let token = node
        .write(move |tx| match people::login_by_name(tx, &owned)?.filter(|login| !login.is_disabled) {
            Some(login) => auth::reset(tx, login.id, now).map(Some),
            None => Ok::<_, storage::Error>(None),
        })
        .await
        .map_err(refuse)?;
    let token = token.ok_or_else(|| Refused(format!("there is no `{name}` who may sign in")))?;
    let link = auth::setup_url(&node.instance.base_url, &token);
    let text = format!(
        "every session of {name} and every older link is ended; the password stays until a new one is set\n\
         set a password within three days, once: {link}"
    );
    Ok(Answer::new(text, json!({ "name": name, "setup_link": link })))
}

pub async fn user_list(node: &Node) -> Result<Answer, Refused> {
    let currency = node.instance.policy.currency;
    let rows = node
        .db
        .read(move |tx| {
            let mut rows = Vec::new();
            for patron in people::patrons_after(tx, PatronId(0), 10_000)? {
                let available = ledger::balance(tx, &Account::PatronAvailable(patron.id), currency)?.posted();
                let held: i64 = ledger::accounts(tx, &format!("patron:{}:held:", patron.id))?
                    .iter()
                    .map(|(_, balance)| balance.posted().units())
                    .sum();
                let held = Amount::from_units(held, currency);
                rows.push((patron.name.clone(), patron.budget()?, available, held));
            }
            Ok::<_, storage::Error>(rows)
        })
        .await
        .map_err(refuse)?;
    let data: Vec<Value> = rows
        .iter()
        .map(|(name, budget, available, held)| {
            json!({
                "name": name, "budget": budget.to_wire(), "available": available.to_wire(), "held": held.to_wire(),
                "currency": budget.currency().as_str(),
            })
        })
        .collect();
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|(name, budget, available, held)| {
            let currency = budget.currency().to_string();
            vec![name.clone(), budget.to_plain(), available.to_plain(), held.to_plain(), currency]
        })
        .collect();
    Ok(Answer::new(table(&["patron", "budget", "available", "held", "currency"], &cells), Value::Array(data)))
}
