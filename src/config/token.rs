//! A token that those who may ask share with who serves them: bearer (RFC 6750), or the password of basic
//! authentication (RFC 7617).

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

/// Bytes of a token file that are read at most.
const MAX_TOKEN_BYTES: u64 = 4096;

/// Why a token cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It cannot be read.
    #[error("cannot read the token in `{}`: {source}", path.display())]
    Read {
        /// The file, as configured.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It cannot be sent.
    #[error("the token in `{}` is not usable: expected one line of printable ASCII without blanks", path.display())]
    Odd {
        /// The file, as configured.
        path: PathBuf,
    },
}

/// A token, as it stands in an Authorization field. Never shown.
#[derive(Clone)]
pub struct Token(HeaderValue);

impl Token {
    /// Reads the token that the file at `path` holds.
    ///
    /// # Errors
    /// When the file cannot be read or holds no token.
    pub fn read(path: &Path) -> Result<Self, TokenError> {
        let read_error = |source| TokenError::Read { path: path.to_owned(), source };
        let odd = || TokenError::Odd { path: path.to_owned() };
        if std::fs::metadata(path).map_err(read_error)?.len() > MAX_TOKEN_BYTES {
            return Err(odd());
        }
        let text = String::from_utf8(std::fs::read(path).map_err(read_error)?).map_err(|_| odd())?;
        let token = text.trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(odd());
        }
        let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| odd())?;
        value.set_sensitive(true);
        Ok(Self(value))
    }

    /// The value of the Authorization field.
    pub fn header(&self) -> &HeaderValue {
        &self.0
    }

    /// Whether an Authorization field of basic authentication carries this token as password, with any name.
    pub fn matches_password(&self, field: &HeaderValue) -> bool {
        let password = || -> Option<Vec<u8>> {
            let (scheme, encoded) = field.as_bytes().split_at_checked(b"Basic ".len())?;
            let pair = STANDARD.decode(encoded.trim_ascii()).ok().filter(|_| scheme.eq_ignore_ascii_case(b"Basic "))?;
            let colon = pair.iter().position(|byte| *byte == b':')?;
            Some([b"Bearer ", &pair[colon + 1..]].concat())
        };
        password().and_then(|field| HeaderValue::from_bytes(&field).ok()).is_some_and(|field| self.matches(&field))
    }

    /// Whether an Authorization field carries this token. The scheme's case does not matter (RFC 9110 section 11.1).
    /// Takes as long for a near miss as for a far one, whatever the lengths.
    pub fn matches(&self, field: &HeaderValue) -> bool {
        let (ours, theirs) = (digest_of(&self.0), digest_of(field));
        verify_slices_are_equal(ours.as_ref(), theirs.as_ref()).is_ok()
    }
}

fn digest_of(field: &HeaderValue) -> aws_lc_rs::digest::Digest {
    let bytes = field.as_bytes();
    let token = match bytes.split_at_checked(b"Bearer ".len()) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"Bearer ") => token.trim_ascii(),
        // No token has a blank in it: this equals none.
        _ => b" ",
    };
    digest(&SHA256, token)
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &[u8]) -> Result<Token, TokenError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Token::read(file.path())
    }

    #[test]
    fn only_the_same_token_matches() {
        let token = token(b"s3cret\n").unwrap();
        for (field, same) in [
            ("Bearer s3cret", true),
            ("bearer s3cret", true),
            ("Bearer  s3cret", true),
            ("Bearer s3cre", false),
            ("Bearer s3cretx", false),
            ("Bearer S3cret", false),
            ("Bearer ", false),
            ("Bearer", false),
            ("", false),
            ("s3cret", false),
            ("Basic s3cret", false),
            ("Bearer s3cret x", false),
        ] {
            assert_eq!(token.matches(&HeaderValue::from_str(field).unwrap()), same, "{field:?}");
        }
        assert!(token.matches(token.header()));
        for (pair, same) in
            [("anyone:s3cret", true), (":s3cret", true), ("s3cret", false), ("a:s3cret:x", false), ("a:", false)]
        {
            let field = format!("Basic {}", STANDARD.encode(pair));
            assert_eq!(token.matches_password(&HeaderValue::from_str(&field).unwrap()), same, "{pair}");
        }
        for field in ["Basic", "Basic !!", "Bearer s3cret", ""] {
            assert!(!token.matches_password(&HeaderValue::from_str(field).unwrap()), "{field}");
        }
        assert!(!format!("{token:?}").contains("s3cret"));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for text in [&b""[..], b" \n", b"two words", b"two\nlines", b"\xff", "ключ".as_bytes(), &[b'x'; 5000]] {
            assert!(matches!(token(text), Err(TokenError::Odd { .. })), "{text:?}");
        }
        let error = Token::read(Path::new("no/such/token")).unwrap_err();
        assert!(error.to_string().contains("no/such/token"), "{error}");
    }
}
