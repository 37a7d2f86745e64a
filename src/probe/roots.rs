//! Whom we trust: the Mozilla roots of the build and the operator's own, with one named crypto provider.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// Bytes of one PEM file that are read at most; Mozilla's whole bundle is a quarter of a megabyte.
const MAX_PEM_BYTES: u64 = 4 * 1024 * 1024;

/// Why the roots cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// The file cannot be read.
    #[error("cannot read the root certificates in `{}`: {source}", path.display())]
    Read {
        /// The file, as configured.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is too big to be a list of roots.
    #[error("`{}` is larger than {MAX_PEM_BYTES} bytes, too large for a list of root certificates", path.display())]
    TooLarge {
        /// The file, as configured.
        path: PathBuf,
    },
    /// The file is no PEM file.
    #[error("`{}` is not a PEM file of certificates: {reason}", path.display())]
    Pem {
        /// The file, as configured.
        path: PathBuf,
        /// What the reader says.
        reason: String,
    },
    /// The file has no certificate in it.
    #[error("`{}` holds no certificate; expected one or more PEM blocks `BEGIN CERTIFICATE`", path.display())]
    Empty {
        /// The file, as configured.
        path: PathBuf,
    },
    /// A certificate cannot serve as a root.
    #[error("certificate {number} in `{}` cannot be a root: {reason}", path.display())]
    Refused {
        /// The file, as configured.
        path: PathBuf,
        /// Which one, counted from 1.
        number: usize,
        /// What the reader says.
        reason: String,
    },
    /// The TLS library cannot be set up.
    #[error("the TLS library cannot be set up: {0}")]
    Library(rustls::Error),
}

/// The trusted roots and the crypto provider; cheap to clone.
#[derive(Debug, Clone)]
pub struct Roots {
    anchors: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl Roots {
    /// The Mozilla roots of the build, and those of the PEM files in `extra`.
    pub fn load(extra: &[PathBuf]) -> Result<Self, RootsError> {
        let mut store = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for path in extra {
            add_file(&mut store, path)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        Ok(Self { anchors: Arc::new(store), provider })
    }

    /// A client configuration that trusts these roots and enforces every check. ALPN is left empty.
    pub fn client_config(&self) -> Result<ClientConfig, RootsError> {
        Ok(ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(RootsError::Library)?
            .with_root_certificates(Arc::clone(&self.anchors))
            .with_no_client_auth())
    }

    pub(super) fn anchors(&self) -> &Arc<RootCertStore> {
        &self.anchors
    }

    pub(super) fn provider(&self) -> &Arc<CryptoProvider> {
        &self.provider
    }
}

fn add_file(store: &mut RootCertStore, path: &Path) -> Result<(), RootsError> {
    let read_error = |source| RootsError::Read { path: path.to_owned(), source };
    if std::fs::metadata(path).map_err(read_error)?.len() > MAX_PEM_BYTES {
        return Err(RootsError::TooLarge { path: path.to_owned() });
    }
    let text = std::fs::read(path).map_err(read_error)?;
    let mut number = 0;
    for certificate in CertificateDer::pem_slice_iter(&text) {
        number += 1;
        let certificate =
            certificate.map_err(|error| RootsError::Pem { path: path.to_owned(), reason: error.to_string() })?;
        store.add(certificate).map_err(|error| RootsError::Refused {
            path: path.to_owned(),
            number,
            reason: error.to_string(),
        })?;
    }
    if number == 0 {
        return Err(RootsError::Empty { path: path.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn an_extra_root_is_added_to_mozillas() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let file = written(&params.self_signed(&key).unwrap().pem());
        let plain = Roots::load(&[]).unwrap();
        let more = Roots::load(&[file.path().to_owned()]).unwrap();
        assert_eq!(more.anchors().len(), plain.anchors().len() + 1);
    }

    #[test]
    fn each_bad_file_is_named() {
        let missing = PathBuf::from("no/such/roots.pem");
        let error = Roots::load(std::slice::from_ref(&missing)).unwrap_err();
        assert!(error.to_string().contains("no/such/roots.pem"), "{error}");

        let empty = written("nothing here\n");
        let error = Roots::load(&[empty.path().to_owned()]).unwrap_err();
        assert!(matches!(error, RootsError::Empty { .. }), "{error}");

        let junk = written("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        let error = Roots::load(&[junk.path().to_owned()]).unwrap_err();
        assert!(matches!(error, RootsError::Refused { number: 1, .. }), "{error}");

        let cut = written("-----BEGIN CERTIFICATE-----\nAA");
        let error = Roots::load(&[cut.path().to_owned()]).unwrap_err();
        assert!(matches!(error, RootsError::Pem { .. }), "{error}");
    }
}
