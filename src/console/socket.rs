//! The control socket: how a command reaches the process that serves, and owns the database file.
//!
//! One line of JSON each way over a Unix socket in the data directory, which only the service's user can open. So the
//! operator's commands work while the instance runs, and nothing of them is on the network.

use std::path::{Path, PathBuf};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

use super::{Answer, Command, Refused, execute};
use crate::federation::library::Federation;

/// Where the socket of an instance is.
pub fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("control.sock")
}

/// Listens until the process ends.
///
/// - errors: the socket cannot be made. A socket that a dead process left behind is replaced.
pub async fn serve(federation: Federation, path: PathBuf) -> std::io::Result<()> {
    if UnixStream::connect(&path).await.is_err() {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    let listener = UnixListener::bind(&path)?;
    restrict(&path)?;
    loop {
        let (stream, _) = listener.accept().await?;
        let federation = federation.clone();
        tokio::spawn(async move {
            if let Err(error) = answer(&federation, stream).await {
                tracing::warn!("a command on the control socket broke off: {error}");
            }
        });
    }
}

fn restrict(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}

async fn answer(federation: &Federation, stream: UnixStream) -> std::io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    while let Some(line) = lines.next_line().await? {
        let outcome = match serde_json::from_str::<Command>(&line) {
            Ok(command) => execute(federation, command).await,
            Err(error) => Err(Refused(format!("not a command: {error}"))),
        };
        let mut text = serde_json::to_string(&outcome).map_err(std::io::Error::other)?;
        text.push('\n');
        writer.write_all(text.as_bytes()).await?;
    }
    Ok(())
}

/// Hands a command to the serving process. `None` when none listens.
pub async fn call(path: &Path, command: &Command) -> std::io::Result<Option<Result<Answer, Refused>>> {
    let stream = match UnixStream::connect(path).await {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let (reader, mut writer) = stream.into_split();
    let mut text = serde_json::to_string(command).map_err(std::io::Error::other)?;
    text.push('\n');
    writer.write_all(text.as_bytes()).await?;
    let line = BufReader::new(reader).lines().next_line().await?;
    let line = line.ok_or_else(|| std::io::Error::other("the serving process ended before it answered"))?;
    serde_json::from_str(&line).map(Some).map_err(std::io::Error::other)
}
