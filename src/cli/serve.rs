//! `serve`: the whole instance in one process, and `sandbox`: the platforms without one.

use std::net::SocketAddr;

use actix_web::{App, HttpServer, web};
use anyhow::Context;
use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat};
use crate::console::socket;
use crate::federation::{Node, library};
use crate::web::routes;
use crate::{jobs, sandbox as platforms};

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
pub async fn sandbox(port: u16) -> anyhow::Result<()> {
    let sandbox = platforms::start(SocketAddr::from(([127, 0, 0, 1], port))).await?;
    let address = sandbox.addr;
    println!("GitHub   http://{address}/github");
    println!("bank     http://{address}/bank");
    println!("control  http://{address}/_sim/scenario");
    println!("Ctrl-C ends it.");
    tokio::signal::ctrl_c().await?;
    sandbox.stop().await;
    Ok(())
}
