//! The story, chapter by chapter: a month of stars on three instances, and what became of it.

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::checks::{does_it_add_up, follow, set_up_links};
use super::eur;
use super::visitor::Visitor;
use crate::cli::stage::Stage;
use crate::console::{Command, table};
use crate::domain::identity::Platform;
use crate::domain::money::{Amount, Currency};
use crate::domain::time::Timestamp;
use crate::sandbox::control;

pub(super) const ALPHA: usize = 0;
pub(super) const BETA: usize = 1;
pub(super) const GAMMA: usize = 2;

/// Patrons: home, name, monthly budget, whether they give in their own name.
pub(super) const PATRONS: [(usize, &str, &str, bool); 4] = [
    (ALPHA, "ada", "5.00", true),
    (ALPHA, "ben", "2.00", false),
    (BETA, "cleo", "10.00", true),
    (GAMMA, "dan", "3.00", false),
];

/// Creators: the instance that each chooses, and the repositories they own.
pub(super) const CREATORS: [(usize, &str, &[&str]); 3] =
    [(BETA, "mira", &["tidepool", "kelp"]), (GAMMA, "noor", &["lantern"]), (BETA, "oskar", &["quill"])];

/// Stars of the story: patron, repository, time. The one of 30 June is seen only in July.
pub(super) const JUNE: [(&str, &str, &str); 8] = [
    ("ada", "mira/tidepool", "2013-06-10T09:00:00Z"),
    ("ada", "noor/lantern", "2013-06-11T19:30:00Z"),
    ("ada", "oskar/quill", "2013-06-12T07:45:00Z"),
    ("ben", "mira/tidepool", "2013-06-13T12:00:00Z"),
    ("cleo", "noor/lantern", "2013-06-14T08:10:00Z"),
    ("cleo", "oskar/quill", "2013-06-15T22:00:00Z"),
    ("dan", "mira/kelp", "2013-06-16T10:20:00Z"),
    ("ben", "oskar/quill", "2013-06-30T23:50:00Z"),
];
pub(super) const JULY: [(&str, &str, &str); 4] = [
    ("ada", "mira/kelp", "2013-07-15T09:00:00Z"),
    ("ben", "noor/lantern", "2013-07-16T10:00:00Z"),
    ("cleo", "mira/tidepool", "2013-07-17T11:00:00Z"),
    ("dan", "oskar/quill", "2013-07-18T12:00:00Z"),
];

/// Where mira shows other work, and what it is called there.
const DOORS: [(Platform, &str); 8] = [
    (Platform::Flickr, "reef"),
    (Platform::Vimeo, "tides"),
    (Platform::SoundCloud, "surf"),
    (Platform::AppNet, "low-water"),
    (Platform::FiveHundredPx, "anemone"),
    (Platform::Twitter, "gone-diving"),
    (Platform::Instagram, "wetsuit"),
    (Platform::Fediverse, "swell"),
];
/// How an instance learns of a patron's likes at a platform.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// The platform shows everybody's likes to whoever knows the name.
    Name,
    /// The patron signs in there.
    SignIn,
    /// The patron brings the file that the platform gives its people. It names no author.
    File,
}

/// A like of July.
pub(super) struct Like {
    pub patron: &'static str,
    pub platform: Platform,
    /// By mira.
    pub post: &'static str,
    pub at: &'static str,
    pub by: By,
}

const fn like(patron: &'static str, platform: Platform, post: &'static str, at: &'static str, by: By) -> Like {
    Like { patron, platform, post, at, by }
}

/// Likes of July outside GitHub.
pub(super) const ELSEWHERE: [Like; 12] = [
    like("ada", Platform::Flickr, "mira/reef", "2013-07-14T09:00:00Z", By::Name),
    like("ada", Platform::Vimeo, "mira/tides", "2013-07-14T10:00:00Z", By::Name),
    like("cleo", Platform::SoundCloud, "mira/surf", "2013-07-15T11:00:00Z", By::Name),
    like("cleo", Platform::AppNet, "mira/low-water", "2013-07-15T12:00:00Z", By::Name),
    like("cleo", Platform::Flickr, "mira/reef", "2013-07-16T13:00:00Z", By::Name),
    like("dan", Platform::FiveHundredPx, "mira/anemone", "2013-07-17T14:00:00Z", By::Name),
    like("dan", Platform::Vimeo, "mira/tides", "2013-07-17T15:00:00Z", By::Name),
    like("ada", Platform::Twitter, "mira/gone-diving", "2013-07-17T16:00:00Z", By::SignIn),
    like("cleo", Platform::Instagram, "mira/wetsuit", "2013-07-17T17:00:00Z", By::SignIn),
    like("cleo", Platform::Fediverse, "mira/swell", "2013-07-17T18:00:00Z", By::SignIn),
    like("dan", Platform::Twitter, "mira/gone-diving", "2013-07-18T16:00:00Z", By::File),
    like("ben", Platform::Instagram, "mira/wetsuit", "2013-07-18T17:00:00Z", By::File),
];

/// Whether the patron's instance can learn whose the post is. A file does not say it, and Instagram tells an instance
/// nothing but what the accounts there have signed in for: alpha has none of mira's.
pub(super) fn is_author_known(like: &Like) -> bool {
    like.by != By::File || like.platform != Platform::Instagram
}

/// Platforms that show nobody's profile without a sign-in: a claim is proved there by signing in, and the other instances
/// take beta's word for it.
const CLAIMED_BY_SIGN_IN: [Platform; 2] = [Platform::Twitter, Platform::Instagram];

/// Plays all chapters.
///
/// - returns: what does not hold, in the end; empty when everything does. And a set-up link for everybody.
pub async fn play(stage: &mut Stage) -> anyhow::Result<(Vec<String>, Vec<(String, String)>)> {
    set_the_scene(stage).await?;
    people_and_money(stage).await?;
    stars_become_flattrs(stage).await?;
    a_like_travels(stage).await?;
    the_month_closes(stage).await?;
    instances_settle(stage).await?;
    creators_are_paid(stage, "2013-07-11T09:00:00Z").await?;
    a_late_claim(stage).await?;
    more_doors(stage).await?;
    the_second_month(stage).await?;
    let mut problems = does_it_add_up(stage).await?;
    let links = set_up_links(stage).await?;
    problems.extend(follow(stage, &links).await?);
    Ok((problems, links))
}

pub(super) fn chapter(number: u32, title: &str) {
    println!("\n{number}. {title}\n{}", "═".repeat(title.chars().count() + 3));
}

pub(super) fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Three instances, and a world of platforms with its bank.
async fn set_the_scene(stage: &mut Stage) -> anyhow::Result<()> {
    chapter(1, "Three instances, one virtual clock");
    for instance in &stage.instances {
        println!("  {:<6} {}", instance.name, instance.base_url);
    }
    println!("  a sandbox of platforms and a bank at http://{}", stage.sandbox.addr);
    println!("  it is {}", stage.now());
    let person = |handle: &str| json!({ "platform": "github", "handle": handle, "name": handle });
    let mut users: Vec<Value> = PATRONS.iter().map(|(_, name, ..)| person(name)).collect();
    users.extend(CREATORS.iter().map(|(_, name, _)| person(name)));
    users.extend(stage.instances.iter().map(|instance| person(&format!("bot-{}", instance.name))));
    let mut posts = Vec::new();
    for (_, owner, repositories) in CREATORS {
        for name in repositories {
            posts.push(json!({ "platform": "github", "owner": owner, "name": name }));
        }
    }
    // Stars from before the story: the first import is a baseline that pays nothing.
    let old = json!({ "platform": "github", "user": "cleo", "post": "mira/kelp", "at": "2012-11-05T10:00:00Z" });
    let mut tokens = Vec::new();
    for instance in &stage.instances {
        let user = format!("bot-{}", instance.name);
        users.push(json!({ "platform": "twitter", "handle": user, "name": user }));
        tokens.push(json!({ "platform": "github", "user": user, "token": format!("token-{}", instance.name) }));
        tokens.push(json!({ "platform": "twitter", "user": user, "token": format!("twitter-{}", instance.name) }));
    }
    for (platform, work) in DOORS {
        let person = |handle: &str| json!({ "platform": platform.slug(), "handle": handle, "name": handle });
        users.push(person("mira"));
        users.extend(PATRONS.iter().map(|(_, name, ..)| person(name)));
        posts.push(json!({ "platform": platform.slug(), "owner": "mira", "name": work, "title": work }));
    }
    let scenario = json!({ "users": users, "posts": posts, "likes": [old], "tokens": tokens });
    let mut world = stage.sandbox.world();
    control::add(&mut world, serde_json::from_value(scenario)?)?;
    let accounts = stage.instances.iter().map(|instance| (instance.account.clone(), eur("0")));
    let people = PATRONS.iter().map(|(_, name, ..)| (person_account(name), eur("100")));
    let creators = CREATORS.iter().map(|(_, name, _)| (person_account(name), eur("0")));
    for (account, balance) in accounts.chain(people).chain(creators) {
        world.bank.balances.insert(account, balance);
    }
    Ok(())
}

pub(super) fn person_account(name: &str) -> String {
    format!("IBAN-{}", name.to_uppercase())
}

/// Patrons join, pay in by bank transfer, and connect their GitHub accounts; instances become peers.
async fn people_and_money(stage: &mut Stage) -> anyhow::Result<()> {
    chapter(2, "People, deposits and peers");
    for (home, name, budget, is_public) in PATRONS {
        let command = Command::UserCreate {
            name: name.to_owned(),
            budget: Some(budget.to_owned()),
            is_public,
            is_operator: matches!(name, "ada" | "cleo" | "dan"),
        };
        let made = stage.data(home, command).await?;
        let (from, to) = (person_account(name), stage.instances[home].account.clone());
        pay(stage, &from, &to, "25.00", text(&made, "deposit_reference"))?;
        let platform = "github".to_owned();
        let (name, handle) = (name.to_owned(), name.to_owned());
        let command = Command::BridgeConnect { name, platform, handle, is_trusted: true };
        stage.ask(home, command).await?;
    }
    for (home, name, _) in CREATORS {
        let command = Command::UserCreate { name: name.to_owned(), budget: None, is_public: true, is_operator: false };
        stage.ask(home, command).await?;
    }
    for (index, other) in [(ALPHA, BETA), (ALPHA, GAMMA), (BETA, ALPHA), (BETA, GAMMA), (GAMMA, ALPHA), (GAMMA, BETA)] {
        let address = stage.instances[other].domain.clone();
        let trusted: &[Platform] = if other == BETA { &CLAIMED_BY_SIGN_IN } else { &[] };
        let claims = trusted.iter().map(|platform| platform.slug().to_owned()).collect();
        stage.ask(index, Command::PeerAdd { address, claims }).await?;
    }
    stage.advance_to("2013-06-01T09:00:00Z").await?;
    for index in [ALPHA, BETA, GAMMA] {
        println!("\n{}", stage.instances[index].name);
        println!("{}", stage.ask(index, Command::UserList).await?.text);
        let peers = stage.data(index, Command::PeerList).await?;
        let open =
            peers.as_array().map_or(0, |peers| peers.iter().filter(|peer| text(peer, "terms") == "open").count());
        if open != 4 {
            bail!("{} has {open} open channels, four are expected", stage.instances[index].name);
        }
    }
    println!("\nEach instance has signed terms with the two others: one channel for each direction.");
    Ok(())
}

fn pay(stage: &Stage, from: &str, to: &str, amount: &str, reference: &str) -> anyhow::Result<()> {
    let order = json!({ "from": from, "to": to, "amount": amount, "currency": "EUR", "reference": reference });
    let request = crate::sandbox::reply::Request {
        method: "POST".to_owned(),
        path: "/transfers".to_owned(),
        body: order.to_string().into_bytes(),
        ..Default::default()
    };
    let mut world = stage.sandbox.world();
    let now = world.now;
    let reply = crate::sandbox::bank::answer(&mut world.bank, &request, now);
    if reply.status != 204 {
        bail!("the bank refused {from}: {}", String::from_utf8_lossy(&reply.body));
    }
    Ok(())
}

/// Two creators claim their accounts; patrons give stars on GitHub; the bridges see them.
async fn stars_become_flattrs(stage: &mut Stage) -> anyhow::Result<()> {
    chapter(3, "Stars on GitHub become flattrs");
    stage.advance_to("2013-06-05T12:00:00Z").await?;
    for (home, name) in [(BETA, "mira"), (GAMMA, "noor")] {
        claim(stage, home, name).await?;
    }
    stage.rest().await?;
    give_stars(stage, &JUNE[..7])?;
    stage.advance_to("2013-06-18T08:00:00Z").await?;
    // The world goes on: the last star of June is given ten minutes before the cut-off.
    give_stars(stage, &JUNE[7..])?;
    let rows: Vec<Vec<String>> = JUNE
        .iter()
        .map(|(patron, repository, at)| vec![(*patron).to_owned(), (*repository).to_owned(), (*at).to_owned()])
        .collect();
    println!("{}", table(&["patron", "gave a star to", "at"], &rows));
    println!("\nOskar has no account anywhere: what he is given waits for him.");
    Ok(())
}

/// The creator puts the claim's address into the GitHub profile; the home checks it, and so does every peer.
async fn claim(stage: &Stage, home: usize, name: &str) -> anyhow::Result<String> {
    claim_at(stage, home, name, Platform::GitHub).await
}

async fn claim_at(stage: &Stage, home: usize, name: &str, platform: Platform) -> anyhow::Result<String> {
    let (owned, handle) = (name.to_owned(), whole_name(stage, platform, name));
    let command = Command::ClaimBegin { name: owned, platform: platform.slug().to_owned(), handle };
    let begun = stage.data(home, command).await?;
    {
        let mut world = stage.sandbox.world();
        let user = world.user_mut(platform, name)?;
        // Not every profile has a field for a website.
        let url = text(&begun, "claim_url").to_owned();
        (user.website, user.bio) = (Some(url.clone()), Some(format!("I am {name}. {url}")));
    }
    let checked = stage.ask(home, Command::ClaimCheck { token: text(&begun, "token").to_owned() }).await?;
    let (label, at) = (platform.label(), stage.instances[home].name);
    println!("{name} claims the account {name} on {label} at {at}: {}", checked.text);
    Ok(checked.text)
}

/// What an account is called from outside its platform: in the fediverse with its server.
fn whole_name(stage: &Stage, platform: Platform, name: &str) -> String {
    if platform == Platform::Fediverse { format!("{name}@{}", stage.sandbox.addr) } else { name.to_owned() }
}

fn give_stars(stage: &Stage, stars: &[(&str, &str, &str)]) -> anyhow::Result<()> {
    let mut world = stage.sandbox.world();
    for (patron, repository, at) in stars {
        let at: Timestamp = at.parse()?;
        world.like(Platform::GitHub, patron, repository, at)?;
    }
    Ok(())
}

/// A like on a post that another instance bridges; and its end.
async fn a_like_travels(stage: &mut Stage) -> anyhow::Result<()> {
    chapter(4, "A Like travels through the fediverse, and is taken back");
    let kelp = stage.sandbox.world().post(Platform::GitHub, "mira/kelp")?.id.clone();
    let target = format!("{}/bridge/github/objects/{kelp}", stage.instances[BETA].base_url);
    let count = async |stage: &Stage| -> anyhow::Result<usize> {
        let inbox = stage.data(BETA, Command::InboxList).await?;
        let inbox = inbox.as_array().cloned().unwrap_or_default();
        Ok(inbox.iter().filter(|row| text(row, "outcome") == "a like, proved by its home").count())
    };
    let before = count(stage).await?;
    let liked = stage.ask(ALPHA, Command::Like { name: "ada".to_owned(), target: target.clone() }).await?;
    stage.rest().await?;
    let after = count(stage).await?;
    println!("ada on alpha likes {target}: {}", liked.text);
    println!("beta holds {} more like with a proof by ada's home", after - before);
    let taken = stage.ask(ALPHA, Command::Unlike { name: "ada".to_owned(), target }).await?;
    stage.rest().await?;
    println!("ada takes it back: {}", taken.text);
    let inbox = stage.data(BETA, Command::InboxList).await?;
    let newest = inbox.as_array().and_then(|rows| rows.first()).context("beta received nothing")?;
    println!("beta says: {}", text(newest, "outcome"));
    if after != before + 1 || text(newest, "outcome") != "1 like taken back" {
        bail!("the like did not travel as it should");
    }
    Ok(())
}

/// Cut-off, grace, freeze, division, commitment; gamma is struck by a power cut in the middle of it.
async fn the_month_closes(stage: &mut Stage) -> anyhow::Result<()> {
    chapter(5, "The month closes, and a power cut hits gamma");
    stage.advance_to("2013-07-01T00:00:30Z").await?;
    println!("1 July: budgets are reserved. Ben's star of 30 June, 23:50, is seen now and still counts in June.");
    stage.advance_to("2013-07-03T12:00:00Z").await?;
    stage.kill(GAMMA)?;
    println!("3 July: gamma is killed like by a power cut.");
    stage.advance_to("2013-07-04T00:00:30Z").await?;
    println!("4 July: alpha and beta freeze June and divide it; what they owe to gamma waits.");
    stage.start(GAMMA, &[]).await?;
    stage.advance_to("2013-07-05T08:00:00Z").await?;
    println!("5 July: gamma is back, closes its own June, and hears what it missed.");
    for index in [ALPHA, BETA, GAMMA] {
        println!("\n{}", stage.instances[index].name);
        println!("{}", stage.ask(index, Command::MonthStatus).await?.text);
    }
    Ok(())
}

/// Signed statements, accepted and acknowledged; then money by the rail.
async fn instances_settle(stage: &mut Stage) -> anyhow::Result<()> {
    chapter(6, "The instances settle");
    show_statements(stage, "What each instance owes for June, signed by both sides:").await?;
    show_creators(stage, "Promised to the creators:").await?;
    stage.advance_to("2013-07-10T00:01:00Z").await?;
    stage.advance_to("2013-07-10T00:30:00Z").await?;
    stage.advance_to("2013-07-10T01:00:00Z").await?;
    show_statements(stage, "10 July, after payments in whole cents:").await?;
    show_creators(stage, "Promised became available:").await
}

async fn show_statements(stage: &Stage, title: &str) -> anyhow::Result<()> {
    println!("\n{title}");
    let mut rows = Vec::new();
    for index in [ALPHA, BETA, GAMMA] {
        let statements = stage.data(index, Command::SettlementList).await?;
        for statement in statements.as_array().cloned().unwrap_or_default() {
            if statement["is_debtor"] == json!(true) {
                let channel: Vec<&str> = text(&statement, "channel").split('/').collect();
                let short = |host: &str| host.split('.').next().unwrap_or(host).to_owned();
                let shown = |name: &str| eur(text(&statement, name)).to_plain();
                rows.push(vec![
                    text(&statement, "month").to_owned(),
                    short(channel[0]),
                    short(channel[1]),
                    text(&statement, "state").to_owned(),
                    statement["likes"].to_string(),
                    shown("sum"),
                    shown("paid"),
                ]);
            }
        }
    }
    rows.sort();
    println!("{}", table(&["month", "debtor", "creditor", "state", "likes", "sum", "paid"], &rows));
    Ok(())
}

async fn show_creators(stage: &Stage, title: &str) -> anyhow::Result<()> {
    println!("\n{title}");
    let mut rows = Vec::new();
    for index in [BETA, GAMMA] {
        for creator in stage.data(index, Command::PayoutList).await?.as_array().cloned().unwrap_or_default() {
            let shown = |name: &str| eur(text(&creator, name)).to_plain();
            rows.push(vec![
                text(&creator, "creator").to_owned(),
                stage.instances[index].name.to_owned(),
                shown("promised"),
                shown("available"),
                shown("paid"),
            ]);
        }
    }
    println!("{}", table(&["creator", "home", "promised", "available", "paid out"], &rows));
    Ok(())
}

/// Creators take their money out to their own bank accounts.
async fn creators_are_paid(stage: &mut Stage, at: &str) -> anyhow::Result<()> {
    if at.starts_with("2013-07") {
        chapter(7, "The creators are paid");
    }
    stage.advance_to(at).await?;
    for (home, name, _) in CREATORS {
        let creators = stage.data(home, Command::PayoutList).await?;
        let creators = creators.as_array().cloned().unwrap_or_default();
        let Some(creator) = creators.iter().find(|creator| text(creator, "creator") == name) else { continue };
        if eur(text(creator, "available")) < eur("1.00") {
            continue;
        }
        let account = person_account(name);
        stage.ask(home, Command::PayoutAccount { name: name.to_owned(), account }).await?;
        let paid = stage.ask(home, Command::PayoutRequest { name: name.to_owned() }).await?;
        println!("{name}: {}", paid.text);
    }
    stage.rest().await?;
    let later: Timestamp = at.parse()?;
    let later = later.plus(std::time::Duration::from_secs(600)).to_string();
    stage.advance_to(&later).await?;
    for (_, name, _) in CREATORS {
        println!("{name}'s bank account holds {}", bank_balance(stage, &person_account(name)));
    }
    Ok(())
}

pub(super) fn bank_balance(stage: &Stage, account: &str) -> Amount {
    stage.sandbox.world().bank.balances.get(account).copied().unwrap_or(Amount::zero(Currency::EUR))
}

/// Oskar finds out. What waited on his own instance is his at once; what waits elsewhere comes with the next statements.
async fn a_late_claim(stage: &mut Stage) -> anyhow::Result<()> {
    chapter(8, "Oskar claims what waited for him");
    stage.advance_to("2013-07-12T10:00:00Z").await?;
    let command =
        Command::ClaimBegin { name: "oskar".to_owned(), platform: "github".to_owned(), handle: "oskar".to_owned() };
    let begun = stage.data(BETA, command).await?;
    println!("before any paperwork beta tells him: {}", begun["waiting"]);
    claim(stage, BETA, "oskar").await?;
    stage.rest().await?;
    for index in [ALPHA, GAMMA] {
        let checks = stage.ask(index, Command::ClaimList).await?;
        println!("\n{} has checked the claims itself:\n{}", stage.instances[index].name, checks.text);
    }
    Ok(())
}

/// The other seven platforms and the fediverse: mira claims her accounts there, patrons connect theirs or bring files.
async fn more_doors(stage: &mut Stage) -> anyhow::Result<()> {
    chapter(9, "Eight more doors");
    let mut mira = Visitor::enter(stage, BETA, "mira").await?;
    for (platform, _) in DOORS {
        if CLAIMED_BY_SIGN_IN.contains(&platform) {
            let said = mira.claim(platform, "mira").await?;
            println!("mira claims the account mira on {} at beta, by signing in there: {said}", platform.label());
        } else {
            claim_at(stage, BETA, "mira", platform).await?;
        }
    }
    stage.rest().await?;
    for like in &ELSEWHERE {
        let (home, name) = patron_of(like.patron)?;
        let (label, whole) = (like.platform.label(), whole_name(stage, like.platform, name));
        match like.by {
            // The first file is a baseline, as every first reading is.
            By::File => println!("{name} imports a file of {label}: {}", import(stage, name, like.platform).await?),
            By::SignIn => {
                Visitor::enter(stage, home, name).await?.connect(like.platform, name, &whole).await?;
                println!("{name} connects {whole} on {label} at {}, by signing in there", stage.instances[home].name);
            }
            By::Name => {
                let (name, platform) = (name.to_owned(), like.platform.slug().to_owned());
                let command = Command::BridgeConnect { name, platform, handle: whole, is_trusted: true };
                stage.ask(home, command).await?;
            }
        }
    }
    stage.advance_to("2013-07-12T12:00:00Z").await?;
    {
        let mut world = stage.sandbox.world();
        for Like { patron, platform, post, at, .. } in &ELSEWHERE {
            world.like(*platform, patron, post, at.parse()?)?;
        }
    }
    let row = |like: &Like| {
        let by = match like.by {
            By::Name => "API, by name",
            By::SignIn => "API, signed in",
            By::File => "export file",
        };
        [like.patron, like.platform.label(), like.post, like.at, by].map(str::to_owned).to_vec()
    };
    let rows: Vec<Vec<String>> = ELSEWHERE.iter().map(row).collect();
    println!("\n{}", table(&["patron", "platform", "liked", "at", "read by"], &rows));
    Ok(())
}

fn patron_of(wanted: &str) -> anyhow::Result<(usize, &'static str)> {
    let found = PATRONS.iter().find(|(_, name, ..)| *name == wanted);
    found.map(|(home, name, ..)| (*home, *name)).with_context(|| format!("{wanted} is no patron"))
}

/// A patron asks the platform for the export file and gives it to the instance.
async fn import(stage: &Stage, patron: &str, platform: Platform) -> anyhow::Result<String> {
    let (home, _) = patron_of(patron)?;
    let bytes = control::export(&stage.sandbox.world(), platform.slug(), patron)?;
    let path = stage.instances[home].directory.join(format!("{patron}-{platform}.zip"));
    std::fs::write(&path, bytes)?;
    let (name, platform) = (patron.to_owned(), platform.slug().to_owned());
    let command = Command::BridgeImport { name, platform, path, account: None, is_complete: false };
    Ok(stage.ask(home, command).await?.text)
}

/// July: fewer stars, likes from eight more platforms, and the shares that were held since June.
async fn the_second_month(stage: &mut Stage) -> anyhow::Result<()> {
    chapter(10, "July, with what June had held");
    give_stars(stage, &JULY)?;
    stage.advance_to("2013-07-20T08:00:00Z").await?;
    for Like { patron, platform, .. } in ELSEWHERE.iter().filter(|like| like.by == By::File) {
        println!("{patron} imports a newer file of {}: {}", platform.label(), import(stage, patron, *platform).await?);
    }
    println!("Files name no author. Whose the tweet is, mira's own list says to every instance that reads it;");
    println!("the picture's share waits at alpha, to which Instagram shows nothing of hers.");
    stage.advance_to("2013-08-01T00:00:30Z").await?;
    stage.advance_to("2013-08-04T00:00:30Z").await?;
    for time in ["2013-08-10T00:01:00Z", "2013-08-10T00:30:00Z", "2013-08-10T01:00:00Z"] {
        stage.advance_to(time).await?;
    }
    show_statements(stage, "Statements of both months:").await?;
    creators_are_paid(stage, "2013-08-11T09:00:00Z").await?;
    show_creators(stage, "In all:").await
}
