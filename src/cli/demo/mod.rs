//! `demo`: the whole product in a minute, with real processes, HTTP, signatures and databases; only the clock is virtual.
//!
//! Owns the story. Every figure that it prints is read from an instance over its control socket, and the last chapter
//! compares them with a central computation over all likes and with the bank: if anything differs, the demo fails.

mod checks;
mod oracle;
mod story;
mod visitor;

use std::process::ExitCode;

use crate::cli::stage::{Role, Stage};
use crate::cli::until_ended;
use crate::domain::money::{Amount, Currency};

/// Plays the story. With `exit` it ends by itself; else the instances stay open until Ctrl-C.
pub async fn run(exit: bool) -> anyhow::Result<ExitCode> {
    let started = std::time::Instant::now();
    let mut ended = std::pin::pin!(until_ended());
    let roles = ["alpha", "beta", "gamma"].map(|name| Role { name, database_url: None });
    let program = std::env::current_exe()?;
    // Whoever ends the demo in the middle leaves nothing behind either: dropped, the stage clears itself.
    let mut stage = tokio::select! {
        stage = Stage::set_up(&program, &roles) => stage?,
        ended = &mut ended => return ended.map(|()| ExitCode::FAILURE).map_err(Into::into),
    };
    let told = tokio::select! {
        told = story::play(&mut stage) => Some(told),
        ended = &mut ended => {
            ended?;
            None
        }
    };
    let Some(told) = told else {
        // First of all: the terminal may be gone, and with it where words go.
        stage.strike();
        eprintln!("\nEnded in the middle of the story.");
        return Ok(ExitCode::FAILURE);
    };
    let (problems, setup_links) = match told {
        Ok(told) => told,
        Err(error) => {
            eprintln!("\nThe story broke off: {error:#}");
            stage.print_logs();
            stage.strike();
            return Ok(ExitCode::FAILURE);
        }
    };
    println!("\nTold in {:.1} s.", started.elapsed().as_secs_f64());
    if !problems.is_empty() {
        for problem in &problems {
            eprintln!("does not hold: {problem}");
        }
        stage.print_logs();
        stage.strike();
        return Ok(ExitCode::FAILURE);
    }
    let mut closed = Ok(());
    if !exit {
        println!("\nThe three instances stay open in your browser until Ctrl-C:");
        for instance in &stage.instances {
            println!("  {}", instance.base_url);
        }
        println!("Sign in with these one-time links:");
        for (name, link) in &setup_links {
            println!("  {name:<6} {link}");
        }
        println!("Post and like at http://{}; time passes when you turn the clock there.", stage.sandbox.addr);
        closed = tokio::select! {
            ended = &mut ended => ended,
            error = stage.follow_the_sandbox() => Err(error),
        };
    }
    stage.strike();
    closed?;
    Ok(ExitCode::SUCCESS)
}

/// Amounts of the story are euros.
fn eur(text: &str) -> Amount {
    Amount::parse(text, Currency::EUR).expect("the story writes amounts well")
}
