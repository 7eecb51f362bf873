//! Three real instances settle a month, on SQLite and PostgreSQL mixed.

mod tests;

use federation_tests::world::*;
use federation_tests::{on_sqlite, program};
use fedflattr::cli::stage::Stage;
use fedflattr::console::Command;
use tests::on_postgresql;

const ALPHA: usize = 0;
const BETA: usize = 1;
const GAMMA: usize = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_instances_settle_a_month() -> anyhow::Result<()> {
    let postgresql = on_postgresql("beta");
    let beta = postgresql.as_ref().map_or(on_sqlite("beta"), |(role, _)| role.clone());
    let mut stage = Stage::set_up(program(), &[on_sqlite("alpha"), beta, on_sqlite("gamma")]).await?;
    populate(&stage, &["ada", "cleo"], &[("mira", "kelp"), ("noor", "lantern"), ("oskar", "quill")])?;
    add_patron(&stage, ALPHA, "ada", "6.00", "20.00").await?;
    add_patron(&stage, BETA, "cleo", "9.00", "20.00").await?;
    make_peers(&stage).await?;
    stage.advance_to("2013-06-01T09:00:00Z").await?;
    add_creator(&stage, BETA, "mira").await?;
    add_creator(&stage, GAMMA, "noor").await?;
    stage.rest().await?;
    for patron in ["ada", "cleo"] {
        for repository in ["mira/kelp", "noor/lantern", "oskar/quill"] {
            give_star(&stage, patron, repository, "2013-06-10T10:00:00Z")?;
        }
    }
    stage.advance_to("2013-06-20T00:00:00Z").await?;
    stage.advance_to("2013-07-01T00:00:10Z").await?;
    stage.advance_to("2013-07-04T00:00:10Z").await?;
    let claims = stage.ask(ALPHA, Command::ClaimList).await?.text;
    assert_eq!(states(&stage, ALPHA).await?, ["2013-06 agreed", "2013-06 agreed"], "{claims}");
    assert_eq!(states(&stage, GAMMA).await?, ["2013-06 agreed", "2013-06 agreed"]);
    // Nothing is available before money is there; mira's share from her own instance is.
    assert_eq!(received(&stage, BETA, "mira").await?, (eur("2.00"), eur("3.00"), eur("0")));
    assert_eq!(received(&stage, GAMMA, "noor").await?, (eur("5.00"), eur("0"), eur("0")));

    for time in ["2013-07-10T00:00:10Z", "2013-07-10T00:10:00Z", "2013-07-10T00:20:00Z"] {
        stage.advance_to(time).await?;
    }
    assert_eq!(states(&stage, ALPHA).await?, ["2013-06 settled", "2013-06 settled"]);
    assert_eq!(received(&stage, BETA, "mira").await?, (eur("0"), eur("5.00"), eur("0")));
    assert_eq!(received(&stage, GAMMA, "noor").await?, (eur("0"), eur("5.00"), eur("0")));

    // Nobody claims oskar's account: after three months his shares are the patrons' again.
    stage.advance_to("2013-08-01T00:00:10Z").await?;
    stage.advance_to("2013-08-04T00:00:10Z").await?;
    stage.advance_to("2013-10-01T00:00:10Z").await?;
    let patrons = stage.data(ALPHA, Command::UserList).await?;
    assert_eq!(eur(text(&patrons[0], "held")), eur("0"));
    for index in [ALPHA, BETA, GAMMA] {
        stage.verify_books(index)?;
    }
    stage.strike();
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_stays_away_gets_a_void_and_the_next_statement_carries_the_shares() -> anyhow::Result<()> {
    let mut stage = Stage::set_up(program(), &[on_sqlite("alpha"), on_sqlite("beta")]).await?;
    populate(&stage, &["ada"], &[("mira", "kelp")])?;
    add_patron(&stage, ALPHA, "ada", "4.00", "20.00").await?;
    make_peers(&stage).await?;
    stage.advance_to("2013-06-01T09:00:00Z").await?;
    add_creator(&stage, BETA, "mira").await?;
    stage.rest().await?;
    give_star(&stage, "ada", "mira/kelp", "2013-06-10T10:00:00Z")?;
    stage.advance_to("2013-06-20T00:00:00Z").await?;
    stage.kill(BETA)?;
    stage.advance_to("2013-07-01T00:00:10Z").await?;
    stage.advance_to("2013-07-04T00:00:10Z").await?;
    assert_eq!(states(&stage, ALPHA).await?, ["2013-06 offered"]);
    stage.advance_to("2013-07-09T00:00:10Z").await?;
    assert_eq!(states(&stage, ALPHA).await?, ["2013-06 voided"]);
    stage.start(BETA, &[]).await?;
    stage.advance_to("2013-07-12T00:00:00Z").await?;
    // July has no likes; its statement carries June's share, whose expiry has not changed.
    for time in ["2013-08-01T00:00:10Z", "2013-08-04T00:00:10Z", "2013-08-10T00:00:10Z", "2013-08-10T00:10:00Z"] {
        stage.advance_to(time).await?;
    }
    assert_eq!(states(&stage, ALPHA).await?, ["2013-07 settled", "2013-06 voided"]);
    assert_eq!(received(&stage, BETA, "mira").await?, (eur("0"), eur("4.00"), eur("0")));
    stage.verify_books(ALPHA)?;
    stage.verify_books(BETA)?;
    stage.strike();
    Ok(())
}
