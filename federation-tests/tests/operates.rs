//! The program in an operator's hands: what is refused at start and on the command line, with text and exit code.

use std::process::{Command as Process, Output};

use federation_tests::world::*;
use federation_tests::{on_sqlite, program};
use fedflattr::cli::stage::Stage;

fn run(arguments: &[&str], env: &[(&str, &str)]) -> anyhow::Result<Output> {
    let mut process = Process::new(program());
    Ok(process.args(arguments).envs(env.iter().copied()).output()?)
}

fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_misspelt_key_is_refused_with_a_suggestion() -> anyhow::Result<()> {
    let directory = std::env::temp_dir().join(format!("fedflattr-config-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let path = directory.join("fedflattr.toml");
    std::fs::write(&path, "[server]\ndomian = \"node.example\"\n")?;
    let path = path.display().to_string();
    let text = refused(&run(&["--config", &path, "config", "check"], &[])?);
    assert!(text.contains("domian") && text.contains("domain") && text.contains('2'), "{text}");
    let text = refused(&run(&["config", "check"], &[("FEDFLATTR_SERVER__PROT", "1")])?);
    assert!(text.contains("FEDFLATTR_SERVER__PORT"), "{text}");
    for amount in ["-1.00", "999999999999999999999999999999", "0.0000001", "two"] {
        let set = format!("money.minimum_budget={amount}");
        let text = refused(&run(&["--set", &set, "config", "check"], &[])?);
        assert!(text.contains("money.minimum_budget"), "{text}");
    }
    std::fs::remove_dir_all(directory)?;
    Ok(())
}

#[test]
fn a_public_domain_keeps_the_doors_of_tests_shut() -> anyhow::Result<()> {
    let public = ["--set", "server.domain=node.example"];
    let text = refused(&run(
        &[&public[..], &["--set", "federation.allow_private_addresses=10.0.0.0/8", "config", "check"]].concat(),
        &[],
    )?);
    assert!(text.contains("allow_private_addresses") && text.contains("node.example"), "{text}");
    for variable in ["FEDFLATTR_TEST_CLOCK", "FEDFLATTR_TEST_CRASH_AT"] {
        let directory = std::env::temp_dir().join(format!("fedflattr-public-{}", std::process::id()));
        let set = format!("server.data_dir={}", directory.display());
        let text = refused(&run(&[&public[..], &["--set", &set, "serve"]].concat(), &[(variable, "/dev/null")])?);
        assert!(text.contains(variable), "{text}");
    }
    let text =
        refused(&run(&[&public[..], &["config", "check"]].concat(), &[("DANGER_FEDERATION_ALLOW_LOCAL_IP", "1")])?);
    assert!(text.contains("DANGER_FEDERATION_ALLOW_LOCAL_IP"), "{text}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_is_refused_and_commands_go_to_the_first() -> anyhow::Result<()> {
    let stage = Stage::set_up(program(), &[on_sqlite("alpha")]).await?;
    let second = stage.run(0, &["--set", "server.port=1024", "serve"])?;
    let text = refused(&second);
    assert!(text.contains("another process is using"), "{text}");
    // Over the socket of the serving process.
    let made = stage.run(0, &["user", "create", "ada", "--budget", "5.00"])?;
    assert!(made.status.success(), "{made:?}");
    assert!(String::from_utf8_lossy(&made.stdout).contains("/setup/"), "{made:?}");
    for (arguments, reason) in [
        (["user", "create", "ada", "--budget", "5.00"], "is taken"),
        (["user", "create", "bo", "--budget", "-5.00"], "above zero"),
        (["user", "create", "bo", "--budget", "99999999999999999999999999999999"], "range"),
        (["user", "create", "bo", "--budget", "0.01"], "below the minimum"),
        (["user", "create", "Bo", "--budget", "5.00"], "cannot be a name"),
    ] {
        let text = refused(&stage.run(0, &arguments)?);
        assert!(text.contains(reason), "{arguments:?}: {text}");
    }
    let text = refused(&stage.run(0, &["user", "budget", "ada", "-3"])?);
    assert!(text.contains("above zero"), "{text}");
    let users = stage.data(0, fedflattr::console::Command::UserList).await?;
    assert_eq!(text_of(&users[0], "currency"), "EUR");
    assert_eq!(users.as_array().map(Vec::len), Some(1));
    assert_eq!(eur(text_of(&users[0], "budget")), eur("5.00"));
    stage.verify_books(0)?;
    Ok(())
}

fn text_of<'v>(value: &'v serde_json::Value, name: &str) -> &'v str {
    federation_tests::world::text(value, name)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_truncated_database_is_refused_and_left_as_it_is() -> anyhow::Result<()> {
    let mut stage = Stage::set_up(program(), &[on_sqlite("alpha")]).await?;
    let made = stage.run(0, &["user", "create", "ada", "--budget", "5.00"])?;
    assert!(made.status.success(), "{made:?}");
    stage.kill(0)?;
    let path = stage.instances[0].data_dir().join("fedflattr.sqlite");
    // A clean start and end brings everything from the log into the file itself.
    let listed = stage.run(0, &["user", "list"])?;
    assert!(listed.status.success(), "{listed:?}");
    let whole = std::fs::read(&path)?;
    std::fs::write(&path, &whole[..whole.len() / 2])?;
    let text = refused(&stage.run(0, &["serve"])?);
    assert!(text.contains("is truncated") && text.contains("restore it from a backup"), "{text}");
    assert_eq!(std::fs::read(&path)?.len(), whole.len() / 2, "nothing was written to it");
    Ok(())
}

/// What the guide tells operators to do for a backup, and what any look at the database with another program does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_program_that_reads_the_database_takes_nothing_of_what_is_written_after_it() -> anyhow::Result<()> {
    use diesel::connection::{Connection, SimpleConnection};
    let mut stage = Stage::set_up(program(), &[on_sqlite("alpha")]).await?;
    let made = stage.run(0, &["user", "create", "ada", "--budget", "5.00"])?;
    assert!(made.status.success(), "{made:?}");
    let path = stage.instances[0].data_dir().join("fedflattr.sqlite");
    let copy = stage.instances[0].directory.join("backup.sqlite");
    // The last program that has a database open removes its log; this one is not the last.
    let mut other = diesel::SqliteConnection::establish(&path.display().to_string())?;
    other.batch_execute(&format!("VACUUM INTO '{}'; PRAGMA wal_checkpoint(TRUNCATE);", copy.display()))?;
    drop(other);
    assert!(path.with_extension("sqlite-wal").exists(), "the log of the serving process is gone");
    let made = stage.run(0, &["user", "create", "ben", "--budget", "5.00"])?;
    assert!(made.status.success(), "{made:?}");
    stage.kill(0)?;
    let listed = stage.run(0, &["user", "list"])?;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.contains("ada") && listed.contains("ben"), "{listed}");
    Ok(())
}

#[test]
fn init_leaves_one_operator_and_never_overwrites() -> anyhow::Result<()> {
    let directory = std::env::temp_dir().join(format!("fedflattr-init-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let path = directory.display().to_string();
    let arguments = ["init", "--domain", "node.example", "--admin", "grace", "--directory", &path];
    let made = run(&arguments, &[])?;
    assert!(made.status.success(), "{made:?}");
    let said = String::from_utf8_lossy(&made.stdout).into_owned();
    assert!(said.contains("https://node.example/setup/"), "{said}");
    let config = directory.join("fedflattr.toml").display().to_string();
    assert!(run(&["--config", &config, "config", "check"], &[])?.status.success());
    assert!(run(&["--config", &config, "ledger", "verify"], &[])?.status.success());
    let text = refused(&run(&arguments, &[])?);
    assert!(text.contains("is there already"), "{text}");
    std::fs::remove_dir_all(directory)?;
    Ok(())
}

#[test]
fn decode_names_its_kinds_and_the_class_of_a_refusal() -> anyhow::Result<()> {
    let listed = run(&["bridge", "decode", "--list"], &[])?;
    assert!(String::from_utf8_lossy(&listed.stdout).contains("starred"), "{listed:?}");
    let path = std::env::temp_dir().join(format!("fedflattr-decode-{}.json", std::process::id()));
    std::fs::write(&path, "<html>Whoops</html>")?;
    let text = refused(&run(&["bridge", "decode", "github", "user", &path.display().to_string()], &[])?);
    assert!(text.contains("malformed"), "{text}");
    std::fs::remove_file(path)?;
    Ok(())
}
