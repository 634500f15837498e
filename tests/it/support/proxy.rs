//! A proxy between a server and PostgreSQL that loses, silences and refuses connections.

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use url::Url;

use super::db::TestDb;

/// What has happened to the connections. They are numbered as they arrive.
#[derive(Clone, Copy, Debug, Default)]
struct Fate {
    /// Number of connections that were accepted.
    accepted: u64,
    /// The connections up to this number are silent: they stay open, and nothing passes.
    silent: u64,
    /// The connections up to this number are closed.
    closed: u64,
}

/// A proxy on a port of its own. It ends when dropped.
pub(crate) struct Proxy {
    port: u16,
    target: String,
    fate: Arc<watch::Sender<Fate>>,
    accepting: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Starts a proxy in front of the server of this database.
    pub(crate) async fn start(database: &TestDb) -> Self {
        let url = Url::parse(&database.url).unwrap();
        let target = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432));
        let mut proxy = Self {
            port: 0,
            target,
            fate: Arc::new(watch::Sender::new(Fate::default())),
            accepting: None,
        };
        proxy.accept().await;
        proxy
    }

    /// Returns the address of this database behind the proxy.
    pub(crate) fn url(&self, database: &TestDb) -> String {
        let mut url = Url::parse(&database.url).unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(self.port)).unwrap();
        url.to_string()
    }

    /// Accepts connections again, after [`refuse`](Self::refuse).
    pub(crate) async fn accept(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        self.port = listener.local_addr().unwrap().port();
        let (target, fate) = (self.target.clone(), Arc::clone(&self.fate));
        self.accepting = Some(tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let mut number = 0;
                fate.send_modify(|fate| {
                    fate.accepted += 1;
                    number = fate.accepted;
                });
                tokio::spawn(pass(client, target.clone(), number, fate.subscribe()));
            }
        }));
    }

    /// Closes all connections and refuses new ones, like a server that has ended.
    pub(crate) async fn refuse(&mut self) {
        let accepting = self.accepting.take().unwrap();
        accepting.abort();
        // The port is free when the task has ended.
        _ = accepting.await;
        self.cut();
    }

    /// Closes all connections. New ones work.
    pub(crate) fn cut(&self) {
        self.fate.send_modify(|fate| fate.closed = fate.accepted);
    }

    /// Silences all connections for ever, as a device does that forgets them. New ones work.
    pub(crate) fn silence(&self) {
        self.fate.send_modify(|fate| fate.silent = fate.accepted);
    }

    /// Silences the connections that arrive until [`speak`](Self::speak) too, like a machine that is gone.
    pub(crate) fn silence_all(&self) {
        self.fate.send_modify(|fate| fate.silent = u64::MAX);
    }

    /// Passes the data of new connections again.
    pub(crate) fn speak(&self) {
        self.silence();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(accepting) = &self.accepting {
            accepting.abort();
        }
    }
}

/// Passes data in both directions until one end closes the connection, or it is its fate.
async fn pass(client: TcpStream, target: String, number: u64, mut fate: watch::Receiver<Fate>) {
    let server = TcpStream::connect(target).await.unwrap();
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let (mut closing, of_client, of_server) = (fate.clone(), fate.clone(), fate.clone());
    let passing = async {
        tokio::select! {
            () = pump(from_client, to_server, number, of_client) => {}
            () = pump(from_server, to_client, number, of_server) => {}
        }
    };
    tokio::select! {
        () = passing => {}
        _ = closing.wait_for(|fate| number <= fate.closed) => {}
        // The proxy ends.
        () = async { while fate.changed().await.is_ok() {} } => {}
    }
}

async fn pump(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    number: u64,
    mut fate: watch::Receiver<Fate>,
) {
    let mut chunk = vec![0; 16 * 1024];
    let mut speaking = async || fate.wait_for(|fate| number > fate.silent).await.is_ok();
    while let Ok(length @ 1..) = from.read(&mut chunk).await {
        if !speaking().await || to.write_all(&chunk[..length]).await.is_err() {
            return;
        }
    }
    // A silent connection does not tell that the other end has closed it.
    speaking().await;
}
