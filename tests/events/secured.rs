//! The manager interface through TLS: whom the daemon believes, and that nobody else hears anything.

use std::net::TcpStream;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::json;

use crate::common::{Daemon, World, wait_until};
use crate::pbx::{Guest, Pbx, invalid};
use crate::{banned, end, heard, wait_for_events, world};

/// A certificate and its key.
struct Identity {
    certificate: CertificateDer<'static>,
    pem: String,
    key: KeyPair,
}

impl Identity {
    /// Signed by itself, as Asterisk's operators make them.
    fn own(name: &str) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([name.to_owned()]).expect("a name");
        let made = params.self_signed(&key).expect("signed");
        Identity { certificate: made.der().clone(), pem: made.pem(), key }
    }

    /// Signed by somebody, whose certificate is the second.
    fn signed(name: &str) -> (Identity, String) {
        let mut params = CertificateParams::new([]).expect("no name");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed");
        let key = KeyPair::generate().expect("a key");
        let made = CertificateParams::new([name.to_owned()]).expect("a name").signed_by(&key, &issuer).expect("signed");
        (Identity { certificate: made.der().clone(), pem: made.pem(), key }, issuer.pem())
    }

    fn meet(&self, pbx: &Pbx) -> Guest {
        Guest::over(self.stream(pbx))
    }

    fn stream(&self, pbx: &Pbx) -> StreamOwned<ServerConnection, TcpStream> {
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], key)
            .expect("they belong together");
        StreamOwned::new(ServerConnection::new(Arc::new(config)).expect("a session"), pbx.accept())
    }
}

/// A world that believes those whose certificates these are.
fn believing(pbx: &Pbx, certificates: &str) -> World {
    let world = world(pbx, "ami", "asterisk");
    world.write("ca.pem", certificates);
    let options = format!("tls = yes\ntlsca = {}\n", world.path("ca.pem").display());
    world.append("conf/sipjail.conf", options);
    world
}

/// That events come through, large ones too.
fn talks(world: &World, mut daemon: Daemon, guest: Guest) {
    let mut guest = guest.let_in_by_asterisk();
    daemon.wait_for("the events of `[ami pbx]` are heard");
    for n in 0..400 {
        guest.send(invalid(&format!("198.51.100.{}", n % 200), &"x".repeat(n)));
    }
    guest.send([invalid("192.0.2.7", "1"), invalid("192.0.2.7", "2"), invalid("192.0.2.7", "3")].concat());
    daemon.wait_for("Ban 192.0.2.7");
    wait_for_events(world, 403);
    assert_eq!(banned(world), ["192.0.2.7"]);
    drop(guest);
    wait_until("it is missed", || heard(world)["trouble"] == json!("the connection was closed"));
    end(world, daemon);
}

#[test]
fn a_certificate_that_lies_in_the_file_is_believed_whatever_its_name() {
    let (pbx, identity) = (Pbx::new(), Identity::own("pbx.example"));
    let world = believing(&pbx, &format!("{}{}", Identity::own("other.example").pem, identity.pem));
    let daemon = world.run();
    talks(&world, daemon, identity.meet(&pbx));
}

#[test]
fn one_that_was_signed_by_those_in_the_file_is_believed_for_its_host() {
    let pbx = Pbx::new();
    let (identity, issuer) = Identity::signed("127.0.0.1");
    let world = believing(&pbx, &issuer);
    let daemon = world.run();
    talks(&world, daemon, identity.meet(&pbx));
}

#[test]
fn nobody_else_hears_a_word() {
    let (stranger, (elsewhere, issuer)) = (Identity::own("127.0.0.1"), Identity::signed("pbx.example"));
    for (identity, certificates) in [(&stranger, &Identity::own("127.0.0.1").pem), (&elsewhere, &issuer)] {
        let pbx = Pbx::new();
        let world = believing(&pbx, certificates);
        let mut daemon = world.run();
        let mut stream = identity.stream(&pbx);
        let mut said = Vec::new();
        let refused = std::io::Write::write_all(&mut stream, b"Asterisk Call Manager/11.0.0\r\n")
            .and_then(|()| std::io::Read::read_to_end(&mut stream, &mut said));
        assert!(refused.is_err() && said.is_empty(), "{said:?}");
        daemon.wait_for("cannot be heard: invalid peer certificate");
        end(&world, daemon);
    }
}

#[test]
fn who_speaks_no_tls_is_told_nothing() {
    let pbx = Pbx::new();
    let world = believing(&pbx, &Identity::own("127.0.0.1").pem);
    let mut daemon = world.run();
    let mut guest = pbx.meet();
    guest.greet_as_asterisk();
    daemon.wait_for("the events of `[ami pbx]` cannot be heard: ");
    end(&world, daemon);
}
