//! Who owns the home folder: a running server, or this command for as long as it runs.

use crate::failure::Failure;
use crate::home::{Home, ServerNote};
use crate::storage::HomeLock;
use nunchi_core::StorageError;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

/// How long a command waits for another one that has the folder, or for a server that starts.
const PATIENCE: Duration = Duration::from_secs(10);

/// Time between two looks.
const PACE: Duration = Duration::from_millis(20);

/// Who owns the folder.
pub(crate) enum Owner {
    /// A server: where it is, and the administration's key.
    Server(ServerNote, Zeroizing<String>),
    /// This process.
    Me(HomeLock),
}

/// Takes the folder, or finds the server that has it. Commands that have it only for a moment are waited for.
pub(crate) async fn find(home: &Home) -> Result<Owner, Failure> {
    let began = Instant::now();
    loop {
        let locked = match HomeLock::acquire(home.path()) {
            Ok(lock) => return Ok(Owner::Me(lock)),
            Err(error @ StorageError::Locked(_)) => error,
            Err(error) => return Err(error.into()),
        };
        // A note may be older than the lock: it is believed when somebody answers there.
        if let Some((note, key)) = home.server().zip(home.admin_key())
            && TcpStream::connect(note.address).await.is_ok()
        {
            return Ok(Owner::Server(note, key));
        }
        if began.elapsed() >= PATIENCE {
            return Err(locked.into());
        }
        tokio::time::sleep(PACE).await;
    }
}
