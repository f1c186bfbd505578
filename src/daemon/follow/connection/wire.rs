//! What a connection's bytes go through: nothing, or TLS.
//!
//! A server is believed if its certificate is the very one in the file that the section names, or if one of those in it
//! signed it for the host that was asked for. Asterisk's certificates are mostly made by its operator, so the first is what
//! most have.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    StreamOwned,
};

use crate::config::Server;

/// A stream that never waits.
pub(super) enum Wire {
    Plain(TcpStream),
    Secured(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Wire {
    /// On a connection that stands; the error says why the server could not be believed whatever it says.
    pub fn new(stream: TcpStream, server: &Server) -> Result<Wire, String> {
        let Some(tls) = &server.tls else { return Ok(Wire::Plain(stream)) };
        let file = &tls.certificates;
        let config = config(file).map_err(|why| format!("`tlsca = {}`: {why}", file.display()))?;
        let name = ServerName::try_from(server.host.clone())
            .map_err(|_| format!("`{}` is no name that a certificate could be for", server.host))?;
        let session = ClientConnection::new(Arc::new(config), name).map_err(|error| error.to_string())?;
        Ok(Wire::Secured(Box::new(StreamOwned::new(session, stream))))
    }

    /// Whether what is to be said can be said now: both sides have agreed how.
    pub fn is_open(&self) -> bool {
        match self {
            Wire::Plain(_) => true,
            Wire::Secured(stream) => !stream.conn.is_handshaking(),
        }
    }

    /// Whether something waits for room in the socket that was said already.
    pub fn has_output(&self) -> bool {
        match self {
            Wire::Plain(_) => false,
            Wire::Secured(stream) => stream.conn.wants_write(),
        }
    }
}

impl Read for Wire {
    fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        match self {
            Wire::Plain(stream) => stream.read(block),
            Wire::Secured(stream) => match stream.read(block) {
                // Hung up without a word of parting, as Asterisk does.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(0),
                other => other,
            },
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Wire::Plain(stream) => stream.write(bytes),
            // Before both have agreed it would be kept for later, and counted as sent.
            Wire::Secured(stream) if stream.conn.is_handshaking() => {
                stream.conn.complete_io(&mut stream.sock)?;
                Err(ErrorKind::WouldBlock.into())
            }
            Wire::Secured(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Wire::Plain(_) => Ok(()),
            Wire::Secured(stream) => {
                while stream.conn.wants_write() {
                    stream.conn.write_tls(&mut stream.sock)?;
                }
                Ok(())
            }
        }
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Wire::Plain(stream) => stream.as_fd(),
            Wire::Secured(stream) => stream.sock.as_fd(),
        }
    }
}

fn config(file: &Path) -> Result<ClientConfig, String> {
    let text = fs::read(file).map_err(|error| error.to_string())?;
    let known: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(&text).collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    let mut roots = RootCertStore::empty();
    let (_, _) = roots.add_parsable_certificates(known.iter().cloned());
    let provider = Arc::new(ring::default_provider());
    let signed = match roots.is_empty() {
        true => None,
        false => Some(
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .build()
                .map_err(|error| error.to_string())?,
        ),
    };
    if known.is_empty() {
        return Err("it holds no certificate".to_owned());
    }
    let believes = Arc::new(Believes { known, signed, provider: provider.clone() });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(config.dangerous().with_custom_certificate_verifier(believes).with_no_client_auth())
}

/// Whom to believe.
#[derive(Debug)]
struct Believes {
    known: Vec<CertificateDer<'static>>,
    /// What they may have signed; none of them can where this is `None`.
    signed: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Believes {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.known.iter().any(|known| known == own) {
            return Ok(ServerCertVerified::assertion());
        }
        match &self.signed {
            Some(signed) => signed.verify_server_cert(own, between, name, ocsp, now),
            None => Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, own, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, own, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
