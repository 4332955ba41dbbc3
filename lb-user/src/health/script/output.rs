//! What a script says while it runs: the first line is the reason that an operator sees.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, ChildStderr, ChildStdout};
use tokio::time::timeout;

use crate::health::pattern::excerpt;

/// The rest of what a script says is read and thrown away.
const KEPT: usize = 1024;

/// How long the last words may take once the script has ended. Something that it left running may hold the pipe open.
const LAST_WORDS: Duration = Duration::from_millis(50);

/// Waits for the end, and gives the first line of the output, or of the errors.
pub(super) async fn until_exit(
    child: &mut Child,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
) -> io::Result<(ExitStatus, String)> {
    let (mut said, mut complained) = (Vec::new(), Vec::new());
    let status = {
        let mut both = std::pin::pin!(async {
            tokio::join!(keep_beginning(stdout, &mut said), keep_beginning(stderr, &mut complained));
        });
        let status = tokio::select! {
            status = child.wait() => Some(status?),
            () = &mut both => None,
        };
        match status {
            Some(status) => {
                drop(timeout(LAST_WORDS, both).await);
                status
            }
            None => child.wait().await?,
        }
    };
    let line = |bytes: &[u8]| {
        bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).find(|line| !line.is_empty()).map(excerpt)
    };
    Ok((status, line(&said).or_else(|| line(&complained)).unwrap_or_default()))
}

async fn keep_beginning(pipe: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut pipe) = pipe else { return };
    let mut buffer = [0; KEPT];
    while let Ok(length @ 1..) = pipe.read(&mut buffer).await {
        let room = KEPT - kept.len();
        kept.extend_from_slice(&buffer[..length.min(room)]);
    }
}
