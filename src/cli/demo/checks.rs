//! Does it add up? What must hold when the story has ended, and the links with which people come in.
//!
//! Owns the demo's verdict: every figure here is read from the databases, the bank or the platforms, and compared.

use std::collections::BTreeMap;

use anyhow::Context;
use serde_json::json;

use super::eur;
use super::oracle::{PatronMonth, totals};
use super::story::{
    ALPHA, BETA, CREATORS, ELSEWHERE, GAMMA, JULY, JUNE, PATRONS, bank_balance, chapter, is_author_known,
    person_account, text,
};
use super::visitor;
use crate::cli::stage::Stage;
use crate::console::{Command, table};
use crate::domain::identity::{ObjectRef, Platform};
use crate::domain::money::{Amount, Currency};
use crate::sandbox::model::World;

/// The books, the bank, and one central computation over all likes must agree to the last unit.
pub async fn does_it_add_up(stage: &mut Stage) -> anyhow::Result<Vec<String>> {
    chapter(11, "Does it add up?");
    let mut problems = Vec::new();
    for index in [ALPHA, BETA, GAMMA] {
        match stage.verify_books(index) {
            Ok(said) => println!("{:<6} {said}", stage.instances[index].name),
            Err(error) => problems.push(format!("{}: {error}", stage.instances[index].name)),
        }
    }
    let expected = totals(&patron_months(stage)?);
    let mut rows = Vec::new();
    for (home, name, _) in CREATORS {
        let creators = stage.data(home, Command::PayoutList).await?;
        let creators = creators.as_array().cloned().unwrap_or_default();
        let creator = creators.iter().find(|creator| text(creator, "creator") == name);
        let creator = creator.with_context(|| format!("{name} has no account"))?;
        let parts = ["promised", "available", "paid"].map(|part| eur(text(creator, part)));
        let received = Amount::sum(parts, Currency::EUR).context("sum")?;
        let wanted = expected.get(name).copied().unwrap_or(Amount::zero(Currency::EUR));
        if received != wanted {
            problems.push(format!("{name} received {received}, a central computation gives {wanted}"));
        }
        if eur(text(creator, "paid")) != bank_balance(stage, &person_account(name)) {
            problems.push(format!("{name}'s bank account does not hold what was paid out"));
        }
        rows.push(vec![name.to_owned(), received.to_wire(), wanted.to_wire()]);
    }
    println!("\n{}", table(&["creator", "federation", "central"], &rows));
    problems.extend(compare_banks(stage).await?);
    problems.extend(compare_debts(stage).await?);
    if problems.is_empty() {
        println!("\nEvery unit is where it should be.");
    }
    Ok(problems)
}

/// A set-up link for everybody. Made when the story has ended: a link lives for three days of the virtual clock.
pub async fn set_up_links(stage: &Stage) -> anyhow::Result<Vec<(String, String)>> {
    let patrons = PATRONS.iter().map(|(home, name, ..)| (*home, *name));
    let creators = CREATORS.iter().map(|(home, name, _)| (*home, *name));
    let mut links = Vec::new();
    for (home, name) in patrons.chain(creators) {
        let made = stage.data(home, Command::UserPassword { name: name.to_owned() }).await?;
        links.push((name.to_owned(), text(&made, "setup_link").to_owned()));
    }
    Ok(links)
}

/// Opens every link as a browser would, without using it up.
pub async fn follow(stage: &Stage, links: &[(String, String)]) -> anyhow::Result<Vec<String>> {
    let client = visitor::client(stage)?;
    let mut problems = Vec::new();
    for (name, link) in links {
        let answer = client.get(link).header("accept", "text/html").send().await?;
        if answer.status() != reqwest::StatusCode::OK {
            problems.push(format!("the link for {name} answers {}", answer.status()));
        }
    }
    Ok(problems)
}

/// All patrons' months, for the oracle: the likes of the story and nothing else.
fn patron_months(stage: &Stage) -> anyhow::Result<Vec<PatronMonth>> {
    let world = stage.sandbox.world();
    let mut months = Vec::new();
    for (month, stars) in [("2013-06", &JUNE[..]), ("2013-07", &JULY[..])] {
        for (home, name, budget, _) in PATRONS {
            let mut likes = Vec::new();
            for (_, repository, _) in stars.iter().filter(|(patron, ..)| *patron == name) {
                let owner = repository.split('/').next().unwrap_or_default();
                let creator = CREATORS.iter().find(|(_, creator, _)| *creator == owner);
                let (_, creator, _) = creator.with_context(|| format!("{repository} has no creator"))?;
                likes.push((object(stage, &world, Platform::GitHub, repository)?, Some(*creator)));
            }
            for like in ELSEWHERE.iter().filter(|like| like.patron == name && month == "2013-07") {
                let creator = is_author_known(like).then_some("mira");
                likes.push((object(stage, &world, like.platform, like.post)?, creator));
            }
            let base_url = &stage.instances[home].base_url;
            months.push(PatronMonth {
                home: format!("{base_url}/instance"),
                patron: format!("{base_url}/users/{name}"),
                month: month.parse()?,
                budget: eur(budget),
                likes,
            });
        }
    }
    Ok(months)
}

/// A post of the sandbox, as connectors name it.
fn object(stage: &Stage, world: &World, platform: Platform, name: &str) -> anyhow::Result<ObjectRef> {
    let post = world.post(platform, name)?;
    if platform != Platform::Fediverse {
        return Ok(ObjectRef::new(platform, &post.id)?);
    }
    // Of many servers: a post is named by its address.
    let (server, owner) = (stage.sandbox.base_url(platform), world.user(platform, &post.owner)?);
    Ok(ObjectRef::new(platform, &format!("{server}/users/{}/statuses/{}", owner.handle, post.id))?)
}

/// What each instance believes it has at the bank is what the bank says.
async fn compare_banks(stage: &Stage) -> anyhow::Result<Vec<String>> {
    let mut problems = Vec::new();
    for index in [ALPHA, BETA, GAMMA] {
        let accounts = stage.data(index, Command::LedgerAccounts { prefix: "bank:".to_owned() }).await?;
        let booked = accounts.as_array().and_then(|rows| rows.first()).map_or(eur("0"), |row| eur(text(row, "posted")));
        let there = bank_balance(stage, &stage.instances[index].account);
        if booked != there {
            problems.push(format!("{} books {booked} at the bank, the bank says {there}", stage.instances[index].name));
        }
    }
    Ok(problems)
}

/// What one side says that it owes is what the other says that it is owed.
async fn compare_debts(stage: &Stage) -> anyhow::Result<Vec<String>> {
    let mut sides: BTreeMap<(String, String), Vec<Amount>> = BTreeMap::new();
    for index in [ALPHA, BETA, GAMMA] {
        let own = stage.instances[index].domain.clone();
        for peer in stage.data(index, Command::PeerList).await?.as_array().cloned().unwrap_or_default() {
            let other = text(&peer, "peer").to_owned();
            let pair = if peer["is_debtor"] == json!(true) { (own.clone(), other) } else { (other, own.clone()) };
            sides.entry(pair).or_default().push(eur(text(&peer, "owed")));
        }
    }
    Ok(sides
        .into_iter()
        .filter(|(_, amounts)| amounts.len() != 2 || amounts[0] != amounts[1])
        .map(|((debtor, creditor), amounts)| format!("{debtor} and {creditor} name different debts: {amounts:?}"))
        .collect())
}
