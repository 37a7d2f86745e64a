//! Who may come in, and over what: TLS with a certificate that can be exchanged while running, and a token.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

use super::guard::{Hosts, Reach, text};
use crate::config::{ServeConfig, Token, TokenError};

/// Why the server cannot be reached as configured.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// The token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The certificate or its key.
    #[error("cannot use the certificate in `{}` with the key in `{}`: {reason}", certificate.display(), key.display())]
    Certificate {
        /// The file of the chain.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// The way in.
#[derive(Debug)]
pub struct Door {
    tls: Option<Tls>,
    token: Option<Secret>,
    /// Others than this machine can reach it: over the network, or by a proxy that the operator tells of.
    is_open: bool,
    /// What it may be called.
    names: Arc<[String]>,
}

/// A token that can be exchanged.
#[derive(Debug)]
struct Secret {
    file: PathBuf,
    now: RwLock<Arc<Token>>,
}

/// A certificate that can be exchanged.
#[derive(Debug)]
struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    now: Arc<Shown>,
}

/// The certificate that is shown now.
#[derive(Debug)]
struct Shown(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Door {
    /// A way in for this machine alone, in clear text, that asks nobody who is there.
    pub fn of_this_machine() -> Arc<Self> {
        Arc::new(Self { tls: None, token: None, is_open: false, names: Arc::new([]) })
    }

    /// The way in that is configured. Reads its files.
    ///
    /// # Errors
    /// The certificate, its key or the token cannot be used.
    pub fn new(config: &ServeConfig) -> Result<Arc<Self>, DoorError> {
        let tls = match &config.tls {
            Some((certificate, key)) => {
                let now = Shown(RwLock::new(Arc::new(read(certificate, key)?)));
                Some(Tls { certificate: certificate.clone(), key: key.clone(), now: Arc::new(now) })
            }
            None => None,
        };
        let token = match &config.token_file {
            Some(file) => Some(Secret { file: file.clone(), now: RwLock::new(Arc::new(Token::read(file)?)) }),
            None => None,
        };
        let is_open = config.unprotected || !config.listen.ip().to_canonical().is_loopback();
        Ok(Arc::new(Self { tls, token, is_open, names: config.hosts.clone().into() }))
    }

    /// Reads the certificate and the token again: they may have been renewed. Nothing changes yet.
    ///
    /// # Errors
    /// One of them cannot be used; those before go on.
    pub fn renewal(&self) -> Result<Renewal<'_>, DoorError> {
        let certificate = self.tls.as_ref().map(|tls| read(&tls.certificate, &tls.key)).transpose()?;
        let token = self.token.as_ref().map(|token| Token::read(&token.file)).transpose()?;
        Ok(Renewal { door: self, certificate, token })
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Whether others can reach it and are not asked who they are: a proxy in front of it does that.
    pub(super) fn is_guarded_elsewhere(&self) -> bool {
        self.is_open && self.token.is_none()
    }

    /// What requests may call the server that listens there.
    pub(super) fn hosts(&self, listen: SocketAddr) -> Hosts {
        let reach = match (listen.ip().to_canonical().is_loopback(), &self.token) {
            (_, Some(_)) => Reach::Guarded,
            (true, None) => Reach::Loopback,
            (false, None) => Reach::Open,
        };
        Hosts::new(reach, Arc::clone(&self.names))
    }

    /// What greets those who come over TLS; None where all come in clear text.
    pub(super) fn acceptor(&self) -> Option<TlsAcceptor> {
        let tls = self.tls.as_ref()?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let resolver = Arc::clone(&tls.now) as Arc<dyn ResolvesServerCert>;
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .ok()?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Some(TlsAcceptor::from(Arc::new(config)))
    }
}

/// What was read again for a door, and can be used.
#[derive(Debug)]
pub struct Renewal<'d> {
    door: &'d Door,
    certificate: Option<CertifiedKey>,
    token: Option<Token>,
}

impl Renewal<'_> {
    /// From now on it is what counts.
    pub fn take_effect(self) {
        if let (Some(tls), Some(next)) = (&self.door.tls, self.certificate) {
            *tls.now.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        }
        if let (Some(token), Some(next)) = (&self.door.token, self.token) {
            *token.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        }
    }
}

fn read(certificate: &Path, key: &Path) -> Result<CertifiedKey, DoorError> {
    let wrong =
        |reason: String| DoorError::Certificate { certificate: certificate.to_owned(), key: key.to_owned(), reason };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong(error.to_string()))?;
    if chain.is_empty() {
        return Err(wrong("there is no certificate in it".to_owned()));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(error.to_string()))?;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    CertifiedKey::from_der(chain, private, &provider).map_err(|error| wrong(error.to_string()))
}

/// Asks for the token wherever there is one, but for the two paths that say only whether the daemon lives. Without one,
/// who comes over the network may look and not act.
pub(super) async fn ask_who_is_there(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if matches!(path, "/-/healthy" | "/-/ready") {
        return next.run(request).await;
    }
    let Some(token) = &door.token else {
        if door.is_open && matches!(path, "/-/reload" | "/probe") {
            return text(
                StatusCode::FORBIDDEN,
                "This may be asked over the network only with a token: `token_file` in [serve].\n",
            );
        }
        return next.run(request).await;
    };
    let token = Arc::clone(&token.now.read().unwrap_or_else(PoisonError::into_inner));
    let brought = request.headers().get(header::AUTHORIZATION);
    if brought.is_some_and(|field| token.matches(field) || token.matches_password(field)) {
        return next.run(request).await;
    }
    let mut response = text(StatusCode::UNAUTHORIZED, "A token is asked for here: as Bearer, or as password.\n");
    // Browsers ask for a password; any name goes with it.
    let challenge = HeaderValue::from_static("Basic realm=\"blockspan\", charset=\"UTF-8\", Bearer");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}
