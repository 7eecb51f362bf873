//! Measures the polling of many patrons' likes by a real server: requests, seconds, its CPU and the peak of its memory.
//!
//! `cargo run --profile ci -p federation-tests --bin measure-polling -- target/release/fedflattr [PATRONS]`
//!
//! The sandbox's GitHub runs in this program, the server is a process of its own on SQLite. The hours that GitHub's
//! allowance takes are virtual: whenever polling has used up its part of it, the clock goes on by one. To see where the
//! server spends its time, let `perf record --pid` look at the process that is named at the start.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use fedflattr::cli::stage::{Role, Stage};
use fedflattr::config::Config;
use fedflattr::console::Command;
use fedflattr::domain::identity::{ExternalId, Platform};
use fedflattr::domain::money::{Amount, Currency};
use fedflattr::federation::Node;
use fedflattr::flows::register::{self, Registration};
use fedflattr::sandbox::model::Like;
use fedflattr::storage::{Database, Options, connections};

const GITHUB: Platform = Platform::GitHub;
const LIKES_EACH: usize = 5;
const REPOSITORIES: usize = 500;
const HOUR: Duration = Duration::from_secs(3_600);
/// Without a request for so long, polling waits for the next hour of the allowance.
const IDLE: Duration = Duration::from_millis(1_500);
const LOOK_EVERY: Duration = Duration::from_millis(100);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let program = PathBuf::from(arguments.next().context("name the binary to measure")?);
    let patrons: usize = arguments.next().map_or(Ok(10_000), |text| text.parse())?;
    let mut stage = Stage::set_up(&program, &[Role { name: "alpha", database_url: None }]).await?;
    stage.kill(0)?;
    let ids = fill(&stage, patrons)?;
    connect(&stage, &ids).await?;
    let daily = [("FEDFLATTR_BRIDGE__GITHUB__POLL_INTERVAL_SECONDS", "86400".to_owned())];
    stage.start(0, &daily).await?;
    let process = stage.process_id(0).context("the server runs")?;
    println!("{patrons} patrons; the server is process {process}, {} MiB before the first poll", peak_mib(process)?);
    let from = stage.now().micros();
    measure("first reading", &stage, process, from, patrons).await?;
    // Everybody likes one thing more, and the next day comes.
    {
        let world = &mut *stage.sandbox.world();
        let (posts, at) = (posts(world), world.now.plus(Duration::from_secs(60)));
        world.likes.extend(ids.iter().enumerate().map(|(place, user)| {
            let post = posts[(place * 7 + LIKES_EACH) % REPOSITORIES].clone();
            Like { platform: GITHUB, user: user.clone(), post, at }
        }));
    }
    let next_day = stage.now().plus(HOUR * 26);
    stage.set_clock(&next_day.to_string())?;
    measure("one new like each", &stage, process, next_day.micros(), patrons).await
}

fn posts(world: &fedflattr::sandbox::model::World) -> Vec<String> {
    world.posts.iter().map(|post| post.id.clone()).collect()
}

/// Repositories, patrons, and what they like.
fn fill(stage: &Stage, patrons: usize) -> anyhow::Result<Vec<String>> {
    let world = &mut *stage.sandbox.world();
    let owner = world.add_user(GITHUB, "bot-alpha").id.clone();
    world.tokens.insert((GITHUB, "token-alpha".to_owned()), fedflattr::sandbox::model::Token::of(&owner));
    for number in 0..REPOSITORIES {
        world.add_post(GITHUB, "bot-alpha", &format!("r{number}"))?;
    }
    let ids: Vec<String> =
        (0..patrons).map(|number| world.add_user(GITHUB, &format!("p{number}")).id.clone()).collect();
    let (posts, at) = (posts(world), world.now);
    for (place, user) in ids.iter().enumerate() {
        world.likes.extend((0..LIKES_EACH).map(|number| {
            let post = posts[(place * 7 + number) % REPOSITORIES].clone();
            Like { platform: GITHUB, user: user.clone(), post, at }
        }));
    }
    Ok(ids)
}

/// Registers everybody with a connected account, while no server runs.
async fn connect(stage: &Stage, ids: &[String]) -> anyhow::Result<()> {
    let now = stage.now();
    let loaded = Config::load(Some(&stage.instances[0].config_path()), std::iter::empty(), &[])?;
    let node = Node::start(loaded.config).await?;
    for (place, batch) in ids.chunks(200).enumerate() {
        let (instance, batch) = (node.instance.clone(), batch.to_vec());
        node.write(move |tx| {
            for (number, id) in batch.iter().enumerate() {
                let (name, budget) =
                    (format!("p{}", place * 200 + number), Amount::from_units(2_000_000, Currency::EUR));
                let registration = Registration { name: name.clone(), budget, is_public: false, is_operator: false };
                let patron = register::register(tx, &instance, &registration, now)?;
                let account = ExternalId::new(GITHUB, id).expect("a number");
                connections::connect(tx, patron, &account, &name, now)?;
            }
            Ok::<(), register::RegisterError>(())
        })
        .await?;
    }
    Ok(())
}

/// Lets the server poll until everybody was read since `from`; says what it took.
async fn measure(name: &str, stage: &Stage, process: u32, from: i64, patrons: usize) -> anyhow::Result<()> {
    let url = format!("sqlite://{}", stage.instances[0].data_dir().join("fedflattr.sqlite").display());
    let reader = Database::open(&Options { url, pool_size: 1, is_writer: false })?;
    let (begun, cpu, mut hours) = (Instant::now(), cpu_seconds(process)?, 1);
    let (mut requests, mut last_request, mut idle) = (0, Instant::now(), Duration::ZERO);
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let new = std::mem::take(&mut stage.sandbox.world().requests).len();
        requests += new;
        if new > 0 {
            last_request = Instant::now();
            continue;
        }
        if last_request.elapsed() < IDLE {
            continue;
        }
        idle += last_request.elapsed();
        let all = reader.read(connections::connections).await?;
        if all.iter().all(|row| row.last_success_at.is_some_and(|at| at >= from)) {
            break;
        }
        hours += 1;
        ensure!(hours < 200, "polling does not end");
        stage.set_clock(&stage.now().plus(HOUR).to_string())?;
        last_request = Instant::now();
    }
    let took = (begun.elapsed().saturating_sub(idle)).as_secs_f64();
    let cpu = cpu_seconds(process)? - cpu;
    println!(
        "{name}: {requests} requests in {took:.1} s ({:.0} patrons a second), {cpu:.1} s CPU of the server ({:.2} ms a \
         patron), {hours} h of the platform's allowance; peak memory of the server {} MiB",
        patrons as f64 / took,
        cpu * 1_000.0 / patrons as f64,
        peak_mib(process)?,
    );
    // What the server still has to do before it is at rest.
    let left: serde_json::Value = stage.data(0, Command::Status).await?;
    ensure!(left["platforms"] == 0, "everything that was due is read: {left}");
    Ok(())
}

fn peak_mib(process: u32) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("this is Linux")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse::<u64>()? / 1_024)
}

/// Time on a processor, in the program and in the kernel for it. Source: proc(5), `stat`, fields 14 and 15, of 10 ms each.
fn cpu_seconds(process: u32) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let (_, fields) = text.rsplit_once(") ").context("a name in brackets")?;
    let ticks: u64 = fields.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap_or_default()).sum();
    Ok(ticks as f64 / 100.0)
}
