//! QUIC with pinned Ed25519 raw public keys (RFC 7250): a stream for each class and direction, that
//! begins with the class and goes on with `length (4, big endian) | bytes`. Priorities by quinn.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use quinn::congestion::BbrConfig;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, Connection, Endpoint, SendStream, ServerConfig, TransportConfig};
use rustls::client::AlwaysResolvesClientRawPublicKeys;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer,
    UnixTime,
};
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::link::{Assembly, CLASSES, Class, Link, Message};

const PRIVATE: [[u8; 32]; 2] = [[7; 32], [9; 32]];
const ALPN: &[u8] = b"timecoin-bench";

pub fn server(address: SocketAddr, congestion: &str) -> io::Result<Endpoint> {
    let (key, expected) = (certified_key(&PRIVATE[1])?, certified_key(&PRIVATE[0])?);
    let mut tls = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(io::Error::other)?
        .with_client_cert_verifier(Arc::new(Pinned::new(&expected)))
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(key)));
    tls.alpn_protocols = vec![ALPN.to_vec()];
    tls.send_tls13_tickets = 0;
    let tls = QuicServerConfig::try_from(tls).map_err(io::Error::other)?;
    let mut config = ServerConfig::with_crypto(Arc::new(tls));
    config.transport_config(transport(congestion));
    Endpoint::server(config, address)
}

pub fn client(congestion: &str) -> io::Result<Endpoint> {
    let (key, expected) = (certified_key(&PRIVATE[0])?, certified_key(&PRIVATE[1])?);
    let mut tls = rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pinned::new(&expected)))
        .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(key)));
    tls.alpn_protocols = vec![ALPN.to_vec()];
    tls.resumption = rustls::client::Resumption::disabled();
    let tls = QuicClientConfig::try_from(tls).map_err(io::Error::other)?;
    let mut config = ClientConfig::new(Arc::new(tls));
    config.transport_config(transport(congestion));
    let mut endpoint = Endpoint::client(([0, 0, 0, 0], 0).into())?;
    endpoint.set_default_client_config(config);
    Ok(endpoint)
}

fn transport(congestion: &str) -> Arc<TransportConfig> {
    let mut config = TransportConfig::default();
    if congestion == "bbr" {
        config.congestion_controller_factory(Arc::new(BbrConfig::default()));
    }
    Arc::new(config)
}

fn certified_key(private: &[u8; 32]) -> io::Result<Arc<CertifiedKey>> {
    // PKCS #8 of an Ed25519 key is this and the 32 bytes of the key.
    let prefix = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from([&prefix[..], private].concat()));
    let key = ring::sign::any_eddsa_type(match &der {
        PrivateKeyDer::Pkcs8(der) => der,
        _ => return Err(io::ErrorKind::InvalidData.into()),
    })
    .map_err(io::Error::other)?;
    let public = key.public_key().ok_or(io::ErrorKind::InvalidData)?.to_vec();
    Ok(Arc::new(CertifiedKey::new(vec![CertificateDer::from(public)], key)))
}

pub async fn accept(endpoint: &Endpoint) -> io::Result<Link> {
    let incoming = endpoint.accept().await.ok_or(io::ErrorKind::NotConnected)?;
    open(incoming.await?).await
}

pub async fn connect(endpoint: &Endpoint, address: SocketAddr) -> io::Result<Link> {
    let connecting = endpoint.connect(address, "peer").map_err(io::Error::other)?;
    open(connecting.await?).await
}

async fn open(connection: Connection) -> io::Result<Link> {
    let (link, outgoing, incoming) = Link::new();
    for (class, queue) in Class::ALL.into_iter().zip(outgoing) {
        let mut stream = connection.open_uni().await?;
        stream.set_priority(-(class as i32)).map_err(io::Error::other)?;
        stream.write_all(&[class as u8]).await?;
        tokio::spawn(write(stream, queue));
    }
    tokio::spawn(read_all(connection, incoming));
    Ok(link)
}

async fn write(mut stream: SendStream, mut queue: mpsc::Receiver<Vec<u8>>) -> io::Result<()> {
    let mut buffer = Vec::new();
    while let Some(message) = queue.recv().await {
        let mut next = Some(message);
        buffer.clear();
        while let Some(message) = next {
            let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
            buffer.extend_from_slice(&length.to_be_bytes());
            buffer.extend_from_slice(&message);
            next = if buffer.len() < COALESCED_BYTES { queue.try_recv().ok() } else { None };
        }
        stream.write_all(&buffer).await?;
    }
    Ok(())
}

async fn read_all(connection: Connection, incoming: mpsc::Sender<Message>) -> io::Result<()> {
    let mut readers = JoinSet::new();
    for _ in 0..CLASSES {
        let mut stream = connection.accept_uni().await?;
        let incoming = incoming.clone();
        readers.spawn(async move {
            let mut class = [0];
            stream.read_exact(&mut class).await.map_err(io::Error::other)?;
            let class = *Class::ALL.get(usize::from(class[0])).ok_or(io::ErrorKind::InvalidData)?;
            let mut assembly = Assembly::default();
            while let Some(chunk) = stream.read_chunk(usize::MAX, true).await? {
                assembly.push(&chunk.bytes, class, &incoming).await?;
            }
            io::Result::Ok(())
        });
    }
    drop(incoming);
    // The connection ends with the last of its handles, which is this one.
    while readers.join_next().await.is_some() {}
    Ok(())
}

/// Takes one public key and no other.
#[derive(Debug)]
struct Pinned {
    expected: CertificateDer<'static>,
    provider: CryptoProvider,
}

impl Pinned {
    fn new(key: &CertifiedKey) -> Self {
        Self { expected: key.cert[0].clone(), provider: ring::default_provider() }
    }

    fn check(&self, shown: &CertificateDer<'_>) -> Result<(), Error> {
        if *shown == self.expected { Ok(()) } else { Err(Error::General("another key".into())) }
    }

    fn check_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = SubjectPublicKeyInfoDer::from(key.as_ref());
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature_with_raw_key(message, &key, signed, algorithms)
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.3 only".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, key, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for Pinned {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(end_entity).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.3 only".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, key, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

const COALESCED_BYTES: usize = 16 * 1024;
