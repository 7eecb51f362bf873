//! `serve`: the whole instance in one process, and `sandbox`: the platforms without one.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use actix_web::{App, HttpServer, web};
use anyhow::Context;
use tracing_subscriber::EnvFilter;

use crate::clock::Clock;
use crate::config::{Config, LogFormat};
use crate::console::bridges::warnings;
use crate::console::{socket, table};
use crate::domain::identity::Platform;
use crate::federation::{Node, library};
use crate::sandbox::Sandbox;
use crate::sandbox::oauth::{CLIENT_ID, CLIENT_SECRET};
use crate::web::routes;
use crate::{jobs, sandbox as platforms};

const SECOND: Duration = Duration::from_secs(1);

/// Threads that answer HTTP: the database is the limit long before they are.
const WEB_WORKERS: usize = 2;

/// Runs an instance until it is told to stop.
pub async fn run(config: Config) -> anyhow::Result<()> {
    start_log(&config);
    let node = Node::start(config.clone()).await?;
    jobs::imports::recover(&node).await?;
    let federation = library::federation(&node).await?;
    let address = SocketAddr::new(config.server.bind, config.server.port);
    let body_limit = usize::try_from(config.server.body_limit_bytes).context("server.body_limit_bytes")?;
    let state = web::Data::new(federation.clone());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(state.clone())
            .app_data(web::PayloadConfig::new(body_limit))
            // Nothing may rewrite the path of a request before its signature is verified.
            .configure(routes)
    })
    .workers(WEB_WORKERS)
    .shutdown_timeout(10)
    .bind(address)
    .with_context(|| format!("cannot listen on {address}"))?
    .run();

    let control = socket::path(&config.server.data_dir);
    super::make_private_directory(&config.server.data_dir)?;
    let (socket_federation, jobs_federation) = (federation.clone(), federation);
    let socket = tokio::spawn(socket::serve(socket_federation, control.clone()));
    let jobs = tokio::spawn(jobs::run(jobs_federation));
    tracing::info!(
        domain = %config.server.domain, database = node.db.backend(),
        "{} serves at {} on {}", config.server.domain, config.server.base_url, node.db.backend()
    );
    for warning in warnings(&config.bridge) {
        tracing::warn!("{warning}");
    }
    server.await.context("the server ended")?;
    // Jobs stop between two steps of the database: whatever is open is found again at the next start.
    jobs.abort();
    socket.abort();
    if let Err(error) = std::fs::remove_file(&control) {
        tracing::debug!("the control socket was not there to remove: {error}");
    }
    Ok(())
}

fn start_log(config: &Config) {
    let level = EnvFilter::new(format!("{},actix_server=warn", config.log.level.as_str()));
    let log = tracing_subscriber::fmt().with_env_filter(level).with_writer(std::io::stderr);
    let started = match config.log.format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().try_init(),
    };
    if let Err(error) = started {
        eprintln!("the log was started before: {error}");
    }
}

/// Serves the sandbox until it is told to stop.
///
/// - `is_empty`: begins with nobody, and with a clock that stands still; else with a few people, and a clock that goes
///   along with ours, so that an instance beside it dates likes rightly.
pub async fn sandbox(port: u16, control_port: Option<u16>, is_empty: bool) -> anyhow::Result<()> {
    let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    let sandbox = platforms::start_apart(at(port), control_port.map(at)).await?;
    if !is_empty {
        sandbox.sow(Clock::System.now());
    }
    super::print(&sandbox_addresses(&sandbox))?;
    let mut seconds = tokio::time::interval(SECOND);
    seconds.tick().await;
    let mut ended = pin!(super::until_ended());
    loop {
        tokio::select! {
            ended = &mut ended => {
                ended?;
                break;
            }
            _ = seconds.tick(), if !is_empty => sandbox.world().advance(SECOND),
        }
    }
    sandbox.stop().await;
    Ok(())
}

fn sandbox_addresses(sandbox: &Sandbox) -> String {
    let address = sandbox.addr;
    let rows: Vec<Vec<String>> = Platform::ALL
        .into_iter()
        .filter(|platform| platforms::simulated(*platform).is_some())
        .map(|platform| {
            let page = format!("http://{address}/at/{platform}");
            vec![platform.label().to_owned(), page, sandbox.base_url(platform)]
        })
        .collect();
    format!(
        "The sandbox is at http://{address}/ and nothing in it is real.\n\n{}\n\nbank     http://{address}/bank\ncontrol  \
         http://{}/_sim/scenario\nexports  http://{address}/_sim/exports/<platform>/<user>.zip\n\nEvery platform knows \
         the app {CLIENT_ID} with the secret {CLIENT_SECRET}. What an instance needs to use it is printed by\n\
         `fedflattr sandbox --port {} --print-config`.\nCtrl-C ends it.",
        table(&["platform", "page for people", "interface (base_url)"], &rows),
        sandbox.control_addr,
        address.port(),
    )
}
