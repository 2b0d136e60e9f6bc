//! Who may change something: whoever knows a token of a file, where there is one. Reading is open to all.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use subtle::{Choice, ConstantTimeEq as _};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use tracing::error;

use super::error::ApiError;
use crate::app::Api;

/// More than any list of tokens has.
const LONGEST: u64 = 64 << 10;

/// A file with the tokens that allow to change something, one a line. Read anew for each change, so that a Secret can
/// be replaced while the server runs; two lines let the old token and the new one in meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFile(PathBuf);

/// Why a file with tokens lets nobody in.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    /// It cannot be read.
    #[error("the tokens in {path} cannot be read")]
    File {
        /// Where.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// There is none in it.
    #[error(
        "{path} has no token: write one on a line of its own, such as `openssl rand -hex 32` prints"
    )]
    Empty {
        /// Where.
        path: PathBuf,
    },
}

impl TokenFile {
    /// At a path.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The tokens.
    ///
    /// # Errors
    /// There are none, or they cannot be read.
    pub async fn read(&self) -> Result<Tokens, TokenFileError> {
        let text = read(&self.0).await.map_err(|source| TokenFileError::File {
            path: self.0.clone(),
            source,
        })?;
        let lines = text.lines().map(str::trim);
        let tokens: Vec<String> = lines
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect();
        match tokens.is_empty() {
            true => Err(TokenFileError::Empty {
                path: self.0.clone(),
            }),
            false => Ok(Tokens(tokens)),
        }
    }
}

async fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let file = File::open(path).await?;
    file.take(LONGEST).read_to_string(&mut text).await?;
    Ok(text)
}

/// The tokens of a file.
pub struct Tokens(Vec<String>);

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} tokens", self.0.len())
    }
}

impl Tokens {
    /// Does a request name one of them? Takes as long whatever it names.
    fn permit(&self, headers: &HeaderMap) -> bool {
        let named = bearer(headers).unwrap_or_default().as_bytes();
        let same = |token: &String| token.as_bytes().ct_eq(named);
        let any = self.0.iter().map(same).fold(Choice::from(0), |a, b| a | b);
        any.into()
    }
}

/// The token of an `Authorization` header: RFC 6750, section 2.1.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}

/// Lets through what reads, and what changes something and has a token.
pub(crate) async fn authorize<B: Send + Sync + 'static>(
    State(api): State<Arc<Api<B>>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let reads = [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
    if let Some(file) = api.settings.token.as_ref().filter(|_| !reads) {
        let tokens = file.read().await.map_err(|failure| {
            let causes = floatingip_k8s::causes::Causes(&failure);
            error!("nobody can change anything: {causes}");
            ApiError::Unavailable
        })?;
        if !tokens.permit(request.headers()) {
            return Err(ApiError::Unauthorized);
        }
    }
    Ok(next.run(request).await)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(value: &str) -> HeaderMap {
        let value = HeaderValue::from_str(value).unwrap();
        HeaderMap::from_iter([(header::AUTHORIZATION, value)])
    }

    #[test]
    fn only_a_whole_token_of_the_file_is_let_in() {
        let tokens = Tokens(vec!["old-one".to_owned(), "new-one".to_owned()]);
        for right in ["Bearer old-one", "bearer new-one", "BEARER  new-one "] {
            assert!(tokens.permit(&headers(right)), "{right}");
        }
        for wrong in [
            "Bearer",
            "Bearer ",
            "Bearer old",
            "Bearer old-one1",
            "Basic old-one",
            "old-one",
            "Bearer old-one new-one",
        ] {
            assert!(!tokens.permit(&headers(wrong)), "{wrong}");
        }
        assert!(!tokens.permit(&HeaderMap::new()));
    }

    #[tokio::test]
    async fn a_file_without_tokens_lets_nobody_in() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        let file = TokenFile::at(&path);
        assert!(matches!(
            file.read().await,
            Err(TokenFileError::File { .. })
        ));
        std::fs::write(&path, "\n  \n").unwrap();
        assert!(matches!(
            file.read().await,
            Err(TokenFileError::Empty { .. })
        ));
        std::fs::write(&path, " one \n\ntwo").unwrap();
        assert_eq!(file.read().await.unwrap().0, ["one", "two"]);
        assert!(!format!("{:?}", file.read().await).contains("one"));
    }
}
