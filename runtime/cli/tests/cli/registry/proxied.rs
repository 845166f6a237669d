//! A registry that is reached through a proxy alone: a tunnel, which carries TLS.

use std::io::{Read, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::super::site::Site;
use super::server::{NAME, Registry, Settings, digests};

/// A proxy that knows one name, and keeps what it sees.
struct Proxy {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
    carried: Arc<Mutex<Vec<u8>>>,
}

impl Proxy {
    fn start(registry: &str) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (asked, carried) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<Mutex<Vec<u8>>>::default());
        let (to, all, bytes) = (registry.to_owned(), Arc::clone(&asked), Arc::clone(&carried));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (to, all, bytes) = (to.clone(), Arc::clone(&all), Arc::clone(&bytes));
                std::thread::spawn(move || _ = serve(stream.unwrap(), &to, &all, &bytes));
            }
        });
        Proxy { url, asked, carried }
    }
}

fn serve(client: TcpStream, to: &str, asked: &Mutex<Vec<String>>, carried: &Mutex<Vec<u8>>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        (&client).read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let line = head.lines().next().unwrap().to_owned();
    let known = line == format!("CONNECT {NAME}:443 HTTP/1.1");
    asked.lock().unwrap().push(head);
    if !known {
        return (&client).write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n");
    }
    let registry = TcpStream::connect(to)?;
    (&client).write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            _ = std::io::copy(&mut &registry, &mut &client);
            _ = client.shutdown(Shutdown::Both);
        });
        let mut piece = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = (&client).read(&mut piece) {
            carried.lock().unwrap().extend(&piece[..length]);
            if (&registry).write_all(&piece[..length]).is_err() {
                break;
            }
        }
        _ = registry.shutdown(Shutdown::Both);
    });
    Ok(())
}

#[test]
fn a_registry_behind_a_proxy_is_pushed_to_and_pulled_from() {
    let Some(registry) = Registry::start(&Settings { tls: true, password: true }) else { return };
    let proxy = Proxy::start(&registry.address);
    let site = Site::new();
    site.add_module("rules");
    let reference = format!("{NAME}/team/rules:1");
    let certificate = registry.certificate.as_ref().unwrap();
    let environment = [
        ("HTTPS_PROXY", Path::new(&proxy.url)),
        ("PORTCULLIS_REGISTRY", Path::new(NAME)),
        ("PORTCULLIS_REGISTRY_CA", certificate),
        ("PORTCULLIS_REGISTRY_USERNAME", Path::new("user")),
        ("PORTCULLIS_REGISTRY_PASSWORD", Path::new("secret")),
    ];
    let run = site.run_with(&["policy", "push", "rules.wasm", &reference, "--format", "json"], "", &environment);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let pull = ["policy", "pull", &reference, "--out", "pulled.wasm", "--format", "json"];
    let pulled = site.run_with(&pull, "", &environment);
    assert_eq!(pulled.code, 0, "{}", pulled.stderr);
    assert_eq!(digests(&pulled.json()).manifest, digests(&run.json()).manifest);
    assert_eq!(site.read_bytes("pulled.wasm"), site.read_bytes("rules.wasm"));

    // The proxy saw names and TLS.
    let asked = proxy.asked.lock().unwrap().clone();
    assert!(
        !asked.is_empty() && asked.iter().all(|head| head.starts_with(&format!("CONNECT {NAME}:443 "))),
        "{asked:?}"
    );
    let carried = proxy.carried.lock().unwrap().clone();
    let basic = b"dXNlcjpzZWNyZXQ=";
    assert!(carried.len() > 10_000 && carried[0] == 0x16, "a TLS handshake comes first");
    assert!(asked.iter().all(|head| !head.to_ascii_lowercase().contains("authorization")), "{asked:?}");
    assert!(!carried.windows(basic.len()).any(|window| window == basic));

    // The certificate is the registry's, whoever is in between; and without the proxy there is no such host.
    let unknown = [("HTTPS_PROXY", Path::new(&proxy.url))];
    let run = site.run_with(&pull, "", &unknown);
    assert!(run.code == 1 && run.stderr.contains("certificate"), "{}", run.stderr);
    let before = proxy.asked.lock().unwrap().len();
    let except = [environment.as_slice(), &[("NO_PROXY", Path::new("portcullis-test.invalid"))]].concat();
    let run = site.run_with(&pull, "", &except);
    assert!(run.code == 1 && run.stderr.contains("cannot reach"), "{}", run.stderr);
    assert_eq!(proxy.asked.lock().unwrap().len(), before);
    let run = site.run_with(&pull, "", &[("HTTPS_PROXY", Path::new("socks5://127.0.0.1:1"))]);
    assert!(
        run.code == 1 && run.stderr.contains("HTTPS_PROXY") && run.stderr.contains("http://HOST:PORT"),
        "{}",
        run.stderr
    );
}
