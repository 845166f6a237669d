//! A connection whose server is not waited for without end.
//!
//! Keepalives and `tcp_user_timeout` notice a server, or a network, that is gone. They do not notice one that is there and
//! says nothing: a server that was stopped, or a proxy in front of one that is gone. So every answer has a time limit here.
//! After one that did not come in time nothing is known of what the server did, and the connection is closed.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Config, Error, Row, Socket, Statement, ToStatement};

use super::connect::CONNECT_TIMEOUT;

/// How long an answer may take that somebody waits for.
pub(super) const ANSWER: Duration = Duration::from_secs(30);
/// How long one may take that reads or tidies whole tables.
pub(super) const LONG_ANSWER: Duration = Duration::from_secs(60 * 60);
/// How long the end of a connection may take.
const END: Duration = Duration::from_secs(1);

/// A connection.
pub(super) struct Client {
    /// Until the server was silent for too long.
    open: Option<Open>,
    limit: Duration,
}

struct Open {
    runtime: Runtime,
    client: tokio_postgres::Client,
    /// What moves bytes, while one of the functions here runs.
    talk: JoinHandle<()>,
    announced: Arc<Notify>,
    /// Why the connection ended.
    ended: Arc<Mutex<Option<Error>>>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Postgres(#[from] Error),
    #[error("starting what talks to the server: {0}")]
    Runtime(#[from] std::io::Error),
    #[error("the server said nothing for {} s", .0.as_secs())]
    Silent(Duration),
    #[error("the connection is closed")]
    Closed,
}

impl Client {
    pub(super) fn connect<T>(config: &Config, tls: T) -> Result<Client, Failure>
    where
        T: MakeTlsConnect<Socket>,
        T::Stream: Send + 'static,
    {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        // The configuration's limit is one for each host, and only for the way to it.
        let each = config.get_connect_timeout().copied().unwrap_or(CONNECT_TIMEOUT);
        let hosts = config.get_hosts().len().max(config.get_hostaddrs().len()).max(1);
        let limit = each.saturating_mul(u32::try_from(hosts).unwrap_or(u32::MAX).saturating_add(1));
        let connected = runtime.block_on(async { timeout(limit, config.connect(tls)).await });
        let (client, mut connection) = match connected {
            Ok(connected) => connected?,
            Err(_) => {
                // A name may still be looked up, which nothing interrupts.
                runtime.shutdown_background();
                return Err(Failure::Silent(limit));
            }
        };
        let (announced, ended) = (Arc::new(Notify::new()), Arc::new(Mutex::new(None)));
        let (announce, end) = (Arc::clone(&announced), Arc::clone(&ended));
        let talk = runtime.spawn(async move {
            loop {
                match poll_fn(|context| connection.poll_message(context)).await {
                    Some(Ok(AsyncMessage::Notification(_))) => announce.notify_one(),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => {
                        *end.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                        break;
                    }
                    None => break,
                }
            }
            // Whoever waits for announcements looks why there are none.
            announce.notify_one();
        });
        Ok(Client { open: Some(Open { runtime, client, talk, announced, ended }), limit: ANSWER })
    }

    /// How long the next answers may take.
    pub(super) fn wait_for(&mut self, limit: Duration) {
        self.limit = limit;
    }

    pub(super) fn prepare(&mut self, text: &str) -> Result<Statement, Failure> {
        self.run(async |client| client.prepare(text).await)
    }

    pub(super) fn query<S: ?Sized + ToStatement>(
        &mut self,
        statement: &S,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Failure> {
        self.run(async |client| client.query(statement, parameters).await)
    }

    pub(super) fn query_one<S: ?Sized + ToStatement>(
        &mut self,
        statement: &S,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Row, Failure> {
        self.run(async |client| client.query_one(statement, parameters).await)
    }

    pub(super) fn execute<S: ?Sized + ToStatement>(
        &mut self,
        statement: &S,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, Failure> {
        self.run(async |client| client.execute(statement, parameters).await)
    }

    pub(super) fn batch_execute(&mut self, text: &str) -> Result<(), Failure> {
        self.run(async |client| client.batch_execute(text).await)
    }

    /// Whether the server answers within that time.
    pub(super) fn is_alive(&mut self, within: Duration) -> bool {
        let limit = std::mem::replace(&mut self.limit, within);
        let alive = self.run(async |client| client.check_connection().await).is_ok();
        self.limit = limit;
        alive
    }

    /// Waits for an announcement, at most for `time`. Several are one.
    pub(super) fn announced(&mut self, time: Duration) -> Result<bool, Failure> {
        let open = self.open.as_ref().ok_or(Failure::Closed)?;
        let heard = open.runtime.block_on(async { timeout(time, open.announced.notified()).await.is_ok() });
        if open.talk.is_finished() { Err(open.end().map_or(Failure::Closed, Failure::from)) } else { Ok(heard) }
    }

    fn run<T>(&mut self, work: impl AsyncFnOnce(&tokio_postgres::Client) -> Result<T, Error>) -> Result<T, Failure> {
        let open = self.open.as_ref().ok_or(Failure::Closed)?;
        match open.runtime.block_on(async { timeout(self.limit, work(&open.client)).await }) {
            Ok(Ok(answer)) => Ok(answer),
            // That it is closed says less than why it was.
            Ok(Err(error)) if error.is_closed() => Err(open.end().unwrap_or(error).into()),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => {
                self.open.take().into_iter().for_each(|open| open.runtime.shutdown_background());
                Err(Failure::Silent(self.limit))
            }
        }
    }
}

impl Open {
    fn end(&self) -> Option<Error> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(Open { runtime, client, talk, .. }) = self.open.take() {
            drop(client);
            // Nobody needs to know: a server that is not told notices by itself.
            let _ = runtime.block_on(async { timeout(END, talk).await });
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::{TcpListener, TcpStream};
    use std::time::Instant;

    use tokio_postgres::NoTls;

    use super::*;

    /// As PostgreSQL greets somebody without a password; then nothing more.
    const GREETING: &[u8] = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";

    fn config(listener: &TcpListener) -> Config {
        let port = listener.local_addr().unwrap().port();
        format!("host=127.0.0.1 port={port} user=gate connect_timeout=1").parse().unwrap()
    }

    /// A connection, and the server's end of it, which says nothing more.
    fn greeted() -> (Client, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let config = config(&listener);
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(GREETING).unwrap();
            stream
        });
        (Client::connect(&config, NoTls).unwrap(), server.join().unwrap())
    }

    #[test]
    fn a_server_that_accepts_and_says_nothing_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let config = config(&listener);
        let begun = Instant::now();
        let error = Client::connect(&config, NoTls).err().unwrap();
        assert!(matches!(error, Failure::Silent(_)), "{error}");
        assert_eq!(error.to_string(), "the server said nothing for 2 s");
        assert!((1900..20_000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    }

    #[test]
    fn a_server_that_falls_silent_is_not_waited_for() {
        let (mut client, stream) = greeted();
        client.wait_for(Duration::from_millis(200));
        assert!(!client.announced(Duration::from_millis(10)).unwrap());
        let begun = Instant::now();
        assert!(matches!(client.batch_execute("COMMIT"), Err(Failure::Silent(_))));
        // From then on nothing is sent: nobody knows what became of what was.
        assert!(matches!(client.batch_execute("BEGIN"), Err(Failure::Closed)));
        assert!(matches!(client.announced(Duration::ZERO), Err(Failure::Closed)));
        assert!(!client.is_alive(Duration::from_secs(60)));
        drop(client);
        assert!((190..20_000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
        drop(stream);
    }

    #[test]
    fn the_end_of_a_silent_connection_is_not_waited_for() {
        let (client, stream) = greeted();
        let begun = Instant::now();
        drop(client);
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        drop(stream);
    }

    #[test]
    fn what_a_server_says_at_the_end_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let config = config(&listener);
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(GREETING).unwrap();
            let text = b"SFATAL\0VFATAL\0C57P01\0Mterminated by the test\0\0";
            let length = u32::try_from(text.len() + 4).unwrap().to_be_bytes();
            stream.write_all(&[b"E".as_slice(), &length, text].concat()).unwrap();
        });
        let mut client = Client::connect(&config, NoTls).unwrap();
        server.join().unwrap();
        let failure = client.announced(Duration::from_secs(60)).err().unwrap();
        let Failure::Postgres(error) = failure else { panic!("{failure}") };
        assert!(error.as_db_error().is_some_and(|error| error.message() == "terminated by the test"), "{error:?}");
    }
}
