//! A measure, not a test: the likes of ten thousand patrons, polled through the sandbox. See docs/MEASURES.md.
//!
//! It runs only when asked for by name. The hours that GitHub's allowance takes are virtual: whenever polling has used up
//! its budget, the clock of the sandbox and of the polls goes on by one.

use std::time::{Duration, Instant};

use super::operation::flags;
use crate::config::Config;
use crate::domain::id::PatronId;
use crate::domain::identity::{ExternalId, Platform};
use crate::domain::money::{Amount, Currency};
use crate::domain::time::Timestamp;
use crate::federation::Node;
use crate::flows::register::{self, Registration};
use crate::jobs::read_due;
use crate::sandbox::model::{Like, Token};
use crate::sandbox::{self, Sandbox};
use crate::storage::{connections, likes};

const GITHUB: Platform = Platform::GitHub;
const LIKES_EACH: usize = 5;
const REPOSITORIES: usize = 500;
const HOUR: Duration = Duration::from_secs(3_600);

/// A figure of this process from the kernel, in MiB.
fn mebibytes(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find(|line| line.starts_with(name)).expect("a line of this name");
    line.split_whitespace().nth(1).expect("a number").parse::<u64>().expect("kibibytes") / 1_024
}

/// Owners of repositories first, so that the sandbox finds them at once, then the patrons and what they like.
fn fill(sandbox: &Sandbox, patrons: usize) -> Vec<String> {
    let world = &mut *sandbox.world();
    let instance = world.add_user(GITHUB, "instance").id.clone();
    world.tokens.insert((GITHUB, "token-of-the-instance".to_owned()), Token::of(&instance));
    for number in 0..REPOSITORIES {
        world.add_post(GITHUB, "instance", &format!("r{number}")).unwrap();
    }
    let ids: Vec<String> =
        (0..patrons).map(|number| world.add_user(GITHUB, &format!("p{number}")).id.clone()).collect();
    let posts: Vec<String> = world.posts.iter().map(|post| post.id.clone()).collect();
    let at = world.now;
    for (place, user) in ids.iter().enumerate() {
        world.likes.extend((0..LIKES_EACH).map(|number| {
            let post = posts[(place * 7 + number) % REPOSITORIES].clone();
            Like { platform: GITHUB, user: user.clone(), post, at }
        }));
    }
    ids
}

async fn connect(node: &Node, ids: &[String], now: Timestamp) {
    for (place, batch) in ids.chunks(200).enumerate() {
        let (instance, batch) = (node.instance.clone(), batch.to_vec());
        let made = node.write(move |tx| {
            for (number, id) in batch.iter().enumerate() {
                let (name, budget) =
                    (format!("p{}", place * 200 + number), Amount::from_units(2_000_000, Currency::EUR));
                let registration = Registration { name: name.clone(), budget, is_public: false, is_operator: false };
                let patron: PatronId = register::register(tx, &instance, &registration, now)?;
                let account = ExternalId::new(GITHUB, id).expect("a number");
                connections::connect(tx, patron, &account, &name, now)?;
            }
            Ok::<(), register::RegisterError>(())
        });
        made.await.unwrap();
    }
}

/// Polls until everybody was read since `from`; says what it took.
async fn poll(name: &str, node: &Node, sandbox: &Sandbox, from: Timestamp, patrons: usize) -> Timestamp {
    let (began, mut now, mut rounds) = (Instant::now(), from, 0);
    let meter = node.bridges.meter(GITHUB).unwrap();
    let before = meter.sent();
    loop {
        while read_due(node, now).await.unwrap() {
            rounds += 1;
        }
        let all = node.db.read(connections::connections).await.unwrap();
        if all.iter().all(|row| row.last_success_at.is_some_and(|at| at >= from.micros())) {
            break;
        }
        now = now.plus(HOUR);
        sandbox.world().now = now;
    }
    let (took, requests) = (began.elapsed().as_secs_f64(), meter.sent() - before);
    println!(
        "{name}: {patrons} patrons, {requests} requests in {rounds} rounds, {took:.1} s ({:.0} patrons a second), {} h of \
         the platform's allowance; peak memory {} MiB",
        patrons as f64 / took,
        (now.seconds() - from.seconds()) / 3_600 + 1,
        mebibytes("VmHWM"),
    );
    now
}

#[test]
#[ignore = "a measure of minutes"]
fn polling_ten_thousand_patrons() {
    let patrons = std::env::var("PATRONS").map_or(10_000, |text| text.parse().expect("a number of patrons"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let sandbox = sandbox::start("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let ids = fill(&sandbox, patrons);
        let mut flags = flags(&sandbox, directory.path());
        flags.push(("bridge.github.poll_interval_seconds".to_owned(), "86400".to_owned()));
        let config = Config::load(None, std::iter::empty(), &flags).unwrap().config;
        let node = Node::start(config).await.unwrap();
        let start = sandbox.world().now;
        connect(&node, &ids, start).await;
        println!("before: {} MiB, of which the sandbox's world is a part", mebibytes("VmRSS"));
        let end = poll("first reading", &node, &sandbox, start, patrons).await;

        // Everybody likes one thing more.
        let again = end.plus(Duration::from_secs(60));
        {
            let world = &mut *sandbox.world();
            world.now = again;
            let posts: Vec<String> = world.posts.iter().map(|post| post.id.clone()).collect();
            world.likes.extend(ids.iter().enumerate().map(|(place, user)| {
                let post = posts[(place * 7 + LIKES_EACH) % REPOSITORIES].clone();
                Like { platform: GITHUB, user: user.clone(), post, at: again }
            }));
        }
        let due = again.plus(Duration::from_secs(60));
        node.write(move |tx| connections::poll_now(tx, due)).await.unwrap();
        sandbox.world().now = due;
        poll("one new like each", &node, &sandbox, due, patrons).await;
        let month = crate::domain::time::Month::containing(again);
        let counted = node.db.read(move |tx| likes::count_by_standing(tx, month)).await.unwrap();
        assert_eq!(counted, [("counting".to_owned(), i64::try_from(patrons).unwrap())]);
    });
}
