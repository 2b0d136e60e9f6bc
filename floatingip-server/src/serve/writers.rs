//! Who may change something through the API, as the command line says it.

use std::path::Path;

use tracing::warn;

use super::listen::Listener;
use crate::app::{TokenFile, TokenFileError};

/// The file with tokens, which has to be there at the start; without one, a warning where others reach the API.
///
/// # Errors
/// The file has no tokens, or cannot be read.
pub(crate) async fn tokens(
    file: Option<&Path>,
    listener: &Listener,
) -> Result<Option<TokenFile>, TokenFileError> {
    if let Some(path) = file {
        let file = TokenFile::at(path);
        file.read().await?;
        return Ok(Some(file));
    }
    if listener.is_open_to_others() {
        warn!(
            "the API is open to every host that reaches {}: whoever does can release addresses; give it \
             --api-token-file, or let only trusted hosts through",
            listener.place()
        );
    }
    Ok(None)
}
