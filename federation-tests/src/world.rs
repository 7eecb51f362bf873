//! A small world to settle in: patrons with money and stars, creators with claims, instances that are peers.

use anyhow::{Context, bail};
use fedflattr::cli::stage::Stage;
use fedflattr::console::Command;
use fedflattr::domain::identity::Platform;
use fedflattr::domain::money::{Amount, Currency};
use fedflattr::domain::time::Timestamp;
use fedflattr::sandbox::control;
use fedflattr::sandbox::reply::Request;
use serde_json::{Value, json};

pub fn eur(text: &str) -> Amount {
    Amount::parse(text, Currency::EUR).expect("tests write amounts well")
}

pub fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Makes people and repositories on the sandbox's GitHub, and bank accounts for all.
pub fn populate(stage: &Stage, patrons: &[&str], creators: &[(&str, &str)]) -> anyhow::Result<()> {
    let person = |handle: &str| json!({ "platform": "github", "handle": handle });
    let bots: Vec<String> = stage.instances.iter().map(|instance| format!("bot-{}", instance.name)).collect();
    let mut users: Vec<Value> = patrons.iter().map(|name| person(name)).collect();
    users.extend(creators.iter().map(|(name, _)| person(name)));
    users.extend(bots.iter().map(|name| person(name)));
    let posts: Vec<Value> =
        creators.iter().map(|(owner, name)| json!({ "platform": "github", "owner": owner, "name": name })).collect();
    let tokens: Vec<Value> = stage
        .instances
        .iter()
        .zip(&bots)
        .map(
            |(instance, bot)| json!({ "platform": "github", "user": bot, "token": format!("token-{}", instance.name) }),
        )
        .collect();
    let scenario = json!({ "users": users, "posts": posts, "tokens": tokens });
    let mut world = stage.sandbox.world();
    control::add(&mut world, serde_json::from_value(scenario)?)?;
    for instance in &stage.instances {
        world.bank.balances.insert(instance.account.clone(), eur("0"));
    }
    for name in patrons.iter().chain(creators.iter().map(|(name, _)| name)) {
        world.bank.balances.insert(account_of(name), eur("100"));
    }
    Ok(())
}

pub fn account_of(name: &str) -> String {
    format!("IBAN-{}", name.to_uppercase())
}

/// A patron with a deposit and a connected GitHub account.
pub async fn add_patron(stage: &Stage, home: usize, name: &str, budget: &str, deposit: &str) -> anyhow::Result<()> {
    let command = Command::UserCreate {
        name: name.to_owned(),
        budget: Some(budget.to_owned()),
        is_public: true,
        is_operator: false,
    };
    let made = stage.data(home, command).await?;
    transfer(stage, &account_of(name), &stage.instances[home].account, deposit, text(&made, "deposit_reference"))?;
    let platform = "github".to_owned();
    let (name, handle) = (name.to_owned(), name.to_owned());
    stage.ask(home, Command::BridgeConnect { name, platform, handle, is_trusted: true }).await?;
    Ok(())
}

/// A transfer at the sandbox bank.
pub fn transfer(stage: &Stage, from: &str, to: &str, amount: &str, reference: &str) -> anyhow::Result<()> {
    let order = json!({ "from": from, "to": to, "amount": amount, "currency": "EUR", "reference": reference });
    let request = Request {
        method: "POST".to_owned(),
        path: "/transfers".to_owned(),
        body: order.to_string().into_bytes(),
        ..Request::default()
    };
    let mut world = stage.sandbox.world();
    let now = world.now;
    let reply = fedflattr::sandbox::bank::answer(&mut world.bank, &request, now);
    if reply.status != 204 {
        bail!("the bank refused: {}", String::from_utf8_lossy(&reply.body));
    }
    Ok(())
}

/// A creator with a login and a verified claim on the GitHub account of the same name.
pub async fn add_creator(stage: &Stage, home: usize, name: &str) -> anyhow::Result<()> {
    let command = Command::UserCreate { name: name.to_owned(), budget: None, is_public: true, is_operator: false };
    stage.data(home, command).await?;
    claim(stage, home, name).await
}

pub async fn claim(stage: &Stage, home: usize, name: &str) -> anyhow::Result<()> {
    let command = Command::ClaimBegin { name: name.to_owned(), platform: "github".to_owned(), handle: name.to_owned() };
    let begun = stage.data(home, command).await?;
    stage.sandbox.world().user_mut(Platform::GitHub, name)?.website = Some(text(&begun, "claim_url").to_owned());
    stage.ask(home, Command::ClaimCheck { token: text(&begun, "token").to_owned() }).await?;
    Ok(())
}

/// Every instance settles with every other.
pub async fn make_peers(stage: &Stage) -> anyhow::Result<()> {
    for index in 0..stage.instances.len() {
        for other in 0..stage.instances.len() {
            if index != other {
                let address = stage.instances[other].domain.clone();
                stage.ask(index, Command::PeerAdd { address, claims: Vec::new() }).await?;
            }
        }
    }
    Ok(())
}

pub fn give_star(stage: &Stage, patron: &str, repository: &str, at: &str) -> anyhow::Result<()> {
    let at: Timestamp = at.parse()?;
    stage.sandbox.world().like(Platform::GitHub, patron, repository, at)?;
    Ok(())
}

/// What a creator has in all: promised, available and paid out.
pub async fn received(stage: &Stage, home: usize, creator: &str) -> anyhow::Result<(Amount, Amount, Amount)> {
    let rows = stage.data(home, Command::PayoutList).await?;
    let rows = rows.as_array().cloned().unwrap_or_default();
    let row = rows.iter().find(|row| text(row, "creator") == creator);
    let row = row.with_context(|| format!("{creator} has no account"))?;
    Ok((eur(text(row, "promised")), eur(text(row, "available")), eur(text(row, "paid"))))
}

/// The states of all statements that an instance knows.
pub async fn states(stage: &Stage, index: usize) -> anyhow::Result<Vec<String>> {
    let rows = stage.data(index, Command::SettlementList).await?;
    let rows = rows.as_array().cloned().unwrap_or_default();
    Ok(rows.iter().map(|row| format!("{} {}", text(row, "month"), text(row, "state"))).collect())
}
