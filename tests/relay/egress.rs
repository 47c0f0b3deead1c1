//! Where the relay connects to, and where never: over real sockets, with names that lie. In a network of the test's own, so that the
//! addresses of cloud metadata are there to be called.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::{Fake, PLANNING_FAILED, Relay, Reply, run_in, update};

const INSIDE: &str = "JOBRELAY_TEST_NETWORK";
/// A service somewhere; the machine's keys; a proxy of the company.
const PUBLIC: &str = "93.184.216.34";
const METADATA: &str = "169.254.169.254";
const PRIVATE: &str = "10.1.2.3";
const LINK_LOCAL: &str = "link-local (cloud metadata) addresses are never called";
const DENIED: &str = "private addresses are not called (--deny-private)";

/// Whether this process stands in a network of its own, whose names the test resolves. If not, runs `test` in one, and waits for it.
fn in_own_network(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    if std::env::var_os("JOBRELAY_SKIP_NETWORK").is_some() {
        eprintln!("JOBRELAY_SKIP_NETWORK is set: {test} is left out");
        return false;
    }
    let ways: [&[&str]; 2] = [&["unshare", "--map-root-user"], &["sudo", "-n", "-E", "unshare"]];
    let works = |way: &&&[&str]| {
        let tried = Command::new(way[0]).args(&way[1..]).args(["--net", "--mount", "true"]).output();
        tried.is_ok_and(|tried| tried.status.success())
    };
    let way = ways.iter().find(works).expect("no network namespace can be made here: set JOBRELAY_SKIP_NETWORK=1");
    let dir = tempfile::TempDir::new().expect("a temporary directory");
    for (name, text) in [("resolv.conf", "nameserver 127.0.0.1\n"), ("nsswitch.conf", "hosts: files dns\n")] {
        std::fs::write(dir.path().join(name), text).expect("a file can be written");
    }
    let script = format!(
        "set -e; ip link set lo up; for a in {PUBLIC} {METADATA} {PRIVATE}; do ip addr add $a/32 dev lo; done; \
         mount --bind resolv.conf /etc/resolv.conf; mount --bind nsswitch.conf /etc/nsswitch.conf; \
         exec \"$0\" --exact \"$1\" --nocapture"
    );
    let tried = Command::new(way[0])
        .args(&way[1..])
        .args(["--net", "--mount", "sh", "-c", &script])
        .arg(std::env::current_exe().expect("the test knows itself"))
        .arg(format!("egress::{test}"))
        .env(INSIDE, "1")
        .current_dir(dir.path())
        .output()
        .expect("unshare can be run");
    let said = String::from_utf8_lossy(&tried.stdout);
    assert!(tried.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&tried.stderr));
    false
}

type Answers = HashMap<&'static str, Vec<Vec<IpAddr>>>;

/// The only DNS server there is. Each name has answers for its first look-up, its second, …; the last one stays.
struct Dns {
    asked: Arc<Mutex<HashMap<String, usize>>>,
}

impl Dns {
    fn start(names: &[(&'static str, &[&[&str]])]) -> Dns {
        let parse = |address: &&str| address.parse().expect("an address");
        let answers: Answers = names
            .iter()
            .map(|(name, rounds)| (*name, rounds.iter().map(|round| round.iter().map(parse).collect()).collect()))
            .collect();
        let socket = UdpSocket::bind("127.0.0.1:53").expect("a port of its own network");
        let asked = Arc::new(Mutex::new(HashMap::new()));
        let counts = Arc::clone(&asked);
        std::thread::spawn(move || {
            let mut query = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut query) {
                let answer = Dns::answer(&query[..length], &answers, &counts);
                socket.send_to(&answer, from).expect("the one who asks listens");
            }
        });
        Dns { asked }
    }

    /// RFC 1035, 4: the question again, and a record for each address of its sort.
    fn answer(query: &[u8], answers: &Answers, asked: &Mutex<HashMap<String, usize>>) -> Vec<u8> {
        let (mut at, mut labels) = (12, Vec::new());
        while query[at] != 0 {
            let end = at + 1 + usize::from(query[at]);
            labels.push(String::from_utf8_lossy(&query[at + 1..end]).into_owned());
            at = end;
        }
        let (name, v4) = (labels.join("."), query[at + 2] == 1);
        let mut asked = asked.lock().expect("not poisoned");
        let count = asked.entry(name.clone()).or_default();
        let rounds = answers.get(name.as_str()).map_or(&[][..], Vec::as_slice);
        // The resolver asks for both sorts at once: a look-up is counted by its first.
        let round = rounds.get((*count).min(rounds.len().saturating_sub(1)));
        *count += usize::from(v4);
        let records: Vec<IpAddr> = round.into_iter().flatten().copied().filter(|ip| ip.is_ipv4() == v4).collect();
        let mut answer = query[..at + 5].to_vec();
        answer[2..4].copy_from_slice(&[0x81, 0x80]);
        answer[6..12].copy_from_slice(&[0, u8::try_from(records.len()).expect("few"), 0, 0, 0, 0]);
        for record in records {
            let data = match record {
                IpAddr::V4(v4) => v4.octets().to_vec(),
                IpAddr::V6(v6) => v6.octets().to_vec(),
            };
            let length = u8::try_from(data.len()).expect("16 at most");
            answer.extend([0xc0, 12, 0, query[at + 2], 0, 1, 0, 0, 0, 0, 0, length]);
            answer.extend(data);
        }
        answer
    }

    fn asked(&self, name: &str) -> usize {
        self.asked.lock().expect("not poisoned").get(name).copied().unwrap_or_default()
    }
}

/// Counts whoever connects.
struct Trap(Arc<AtomicUsize>);

impl Trap {
    async fn at(address: &str, port: u16) -> Trap {
        let listener = tokio::net::TcpListener::bind((address, port)).await.expect("a port of its own network");
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        Trap(count)
    }

    fn was_left_alone(&self) {
        assert_eq!(self.0.load(Ordering::SeqCst), 0, "somebody connected to an address that is never called");
    }
}

fn at(address: &str, port: u16) -> SocketAddr {
    SocketAddr::new(address.parse().expect("an address"), port)
}

/// A receiver for each line of settings, called `r0`, `r1`, …; all get every event of the sender.
fn routes(receivers: &[String]) -> String {
    let settings = receivers.iter().enumerate();
    let settings = settings.map(|(n, kind)| format!("  r{n}: {{ retry: {{ first: 5ms, max: 20ms }}, {kind} }}\n"));
    let names: Vec<String> = (0..receivers.len()).map(|n| format!("r{n}")).collect();
    format!(
        "receivers:\n{}routes:\n  - {{ name: all, when: {{ not: {{ event_type: jobrelay.* }} }}, to: [{}] }}\n",
        settings.collect::<String>(),
        names.join(", ")
    )
}

fn webhook(url: &str) -> String {
    format!("kind: webhook, url: '{url}'")
}

async fn blocked(relay: &Relay, receiver: &str, words: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let lane = relay.lane(receiver).await;
        if lane["health"] == "blocked" {
            assert!(lane["detail"].as_str().is_some_and(|detail| detail.contains(words)), "{lane}");
            return;
        }
        assert!(Instant::now() < deadline, "{lane}\n{}", relay.log_text());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn one_forbidden_address_among_those_of_a_name_refuses_them_all() {
    if !in_own_network("one_forbidden_address_among_those_of_a_name_refuses_them_all") {
        return;
    }
    let dns = Dns::start(&[
        ("good.test", &[&[PUBLIC]]),
        ("first.test", &[&[METADATA, PUBLIC]]),
        ("last.test", &[&[PUBLIC, METADATA]]),
        ("nat64.test", &[&[PUBLIC, "64:ff9b::a9fe:a9fe"]]),
        ("local-nat64.test", &[&["64:ff9b:1:a9fe:a9:fe00::"]]),
        ("6to4.test", &[&["2002:a9fe:a9fe::1", PUBLIC]]),
        ("mapped.test", &[&["::ffff:169.254.169.254"]]),
        ("teredo.test", &[&["2001:0:5db8:d822:8000:1234:5601:5601"]]),
        ("isatap.test", &[&["2606:2800:1:2:0:5efe:a9fe:a9fe"]]),
        ("zone.test", &[&["fe80::1"]]),
    ]);
    let service = Fake::at(at(PUBLIC, 8000));
    let trap = Trap::at(METADATA, 8000).await;
    let names = ["first", "last", "nat64", "local-nat64", "6to4", "mapped", "teredo", "isatap", "zone"];
    let mut receivers = vec![webhook("http://good.test:8000/hook"), webhook("http://good.test.:8000/dot")];
    receivers.extend(names.map(|name| webhook(&format!("http://{name}.test:8000/hook"))));
    receivers.push("kind: smtp, host: last.test, port: 8000, tls: none, from: a@x.test, to: b@x.test".to_owned());
    let relay = Relay::start(&routes(&receivers)).await;
    relay.accept(&update("job-1", "Customers", PLANNING_FAILED)).await;
    assert_eq!(service.wait_for(2).await.len(), 2, "an ordinary name is called");
    for n in 2..receivers.len() {
        blocked(&relay, &format!("r{n}"), "are never called").await;
    }
    trap.was_left_alone();
    assert_eq!(service.count(), 2);
    assert!(names.iter().all(|name| dns.asked(&format!("{name}.test")) > 0));
}

#[tokio::test]
async fn a_name_is_called_at_the_address_that_was_vetted_and_vetted_anew_for_the_next_connection() {
    if !in_own_network("a_name_is_called_at_the_address_that_was_vetted_and_vetted_anew_for_the_next_connection") {
        return;
    }
    let dns = Dns::start(&[("rebinds.test", &[&[PUBLIC], &[METADATA]])]);
    let service = Fake::at(at(PUBLIC, 8000));
    service.replies(|_| Reply::Header(200, "connection", "close".to_owned(), "ok"));
    let trap = Trap::at(METADATA, 8000).await;
    let relay = Relay::start(&routes(&[webhook("http://rebinds.test:8000/")])).await;
    relay.accept(&update("job-1", "Customers", PLANNING_FAILED)).await;
    relay.drained("r0").await;
    assert_eq!((service.count(), dns.asked("rebinds.test")), (1, 1), "asked once, and called where it said");
    relay.accept(&update("job-2", "Customers", PLANNING_FAILED)).await;
    blocked(&relay, "r0", LINK_LOCAL).await;
    assert!(dns.asked("rebinds.test") >= 2);
    assert_eq!(service.count(), 1);
    trap.was_left_alone();
}

#[tokio::test]
async fn a_proxy_of_the_environment_may_be_private_and_resolves_what_goes_through_it() {
    if !in_own_network("a_proxy_of_the_environment_may_be_private_and_resolves_what_goes_through_it") {
        return;
    }
    let dns = Dns::start(&[
        ("proxy.test", &[&[PRIVATE]]),
        ("direct.test", &[&[PRIVATE]]),
        ("bad-proxy.test", &[&[METADATA]]),
        ("hook.test", &[&[METADATA]]),
    ]);
    let proxy = Fake::at(at(PRIVATE, 3128));
    let trap = Trap::at(METADATA, 3128).await;
    let receivers =
        [webhook("http://hook.test/behind"), webhook("http://direct.test:3128/"), webhook("http://proxy.test:3128/")];
    let mut relay = Relay::prepare(&routes(&receivers))
        .switch("--deny-private")
        .env("HTTP_PROXY", "http://me:secret@proxy.test:3128")
        .env("NO_PROXY", "direct.test");
    relay.run().await;
    relay.accept(&update("job-1", "Customers", PLANNING_FAILED)).await;
    relay.drained("r0").await;
    let through = proxy.wait_for(1).await.remove(0);
    assert_eq!(through.target, "http://hook.test/behind");
    assert_eq!(dns.asked("hook.test"), 0, "the proxy resolves it, and polices it");
    blocked(&relay, "r1", DENIED).await;
    blocked(&relay, "r2", "the relay's own proxy").await;
    assert_eq!(proxy.count(), 1);

    // Named in routes.yaml, it is an address like any other.
    let own = |host: &str| vec![format!("{}, proxy: 'http://{host}:3128'", webhook("http://hook.test/behind"))];
    let mut relay = Relay::prepare(&routes(&own("proxy.test"))).switch("--deny-private");
    relay.run().await;
    relay.accept(&update("job-1", "Customers", PLANNING_FAILED)).await;
    blocked(&relay, "r0", DENIED).await;
    assert_eq!(proxy.count(), 1);

    // Never the machine's keys, whoever names them.
    let mut relay = Relay::prepare(&routes(&receivers[..1])).env("HTTP_PROXY", "http://bad-proxy.test:3128");
    relay.run().await;
    relay.accept(&update("job-1", "Customers", PLANNING_FAILED)).await;
    blocked(&relay, "r0", LINK_LOCAL).await;
    let (code, said) =
        Relay::prepare(&routes(&receivers[..1])).env("HTTPS_PROXY", "169.254.169.254:3128").fails().await;
    assert!(code == Some(2) && said.contains("HTTPS_PROXY") && said.contains(LINK_LOCAL), "{said}");
    trap.was_left_alone();
}

/// Receivers that name what is never called outright, and the words at fault.
fn literals() -> Vec<(String, &'static str)> {
    let spelt = ["169.254.169.254", "0xa9fea9fe", "2852039166", "0251.0376.0251.0376", "169.254.169.254.", "[fe80::1]"];
    let mut all: Vec<_> = spelt.iter().map(|host| (webhook(&format!("http://{host}/latest")), LINK_LOCAL)).collect();
    all.push((webhook("http://[64:ff9b::a9fe:a9fe]/"), LINK_LOCAL));
    all.push((webhook("http://224.0.0.1/"), "multicast and broadcast addresses are never called"));
    all.push((format!("{}, proxy: 'http://169.254.169.254'", webhook("http://x.test/")), LINK_LOCAL));
    all.push(("kind: discord, url: 'http://169.254.169.254/api'".to_owned(), LINK_LOCAL));
    all.push(("kind: slack, token: xoxb-1, channel: C1, endpoint: 'http://169.254.169.254'".to_owned(), LINK_LOCAL));
    for host in ["169.254.169.254", "'0xa9fea9fe'", "'::ffff:169.254.169.254'", "'[::ffff:a9fe:a9fe]'"] {
        let mail = format!("kind: smtp, host: {host}, port: 25, tls: none, from: a@x.test, to: b@x.test");
        all.push((mail, LINK_LOCAL));
    }
    all
}

#[tokio::test]
async fn what_check_refuses_for_its_address_serve_refuses_too() {
    for (settings, why) in literals() {
        let relay = Relay::prepare(&routes(std::slice::from_ref(&settings)));
        let checked = run_in(relay.path("").as_path(), &["check"]);
        let said = String::from_utf8_lossy(&checked.stdout).into_owned();
        assert!(checked.status.code() == Some(1) && said.contains(why), "{settings}: {said}");
        let (code, said) = relay.fails().await;
        assert!(code == Some(2) && said.contains(why) && said.contains("forbidden-address"), "{settings}: {said}");
    }
    let private = routes(&[webhook("http://10.1.2.3/hook")]);
    let relay = Relay::prepare(&private).switch("--deny-private");
    assert!(run_in(relay.path("").as_path(), &["check"]).status.success());
    let checked = run_in(relay.path("").as_path(), &["check", "--deny-private"]);
    assert!(String::from_utf8_lossy(&checked.stdout).contains(DENIED), "{checked:?}");
    let (code, said) = relay.fails().await;
    assert!(code == Some(2) && said.contains(DENIED), "{said}");
}

#[tokio::test]
async fn a_reload_that_names_a_forbidden_address_leaves_the_running_file_in_place() {
    let fake = Fake::start();
    let relay = Relay::start(&routes(&[webhook(&fake.url("/hook"))])).await;
    relay.edit(&routes(&[webhook("http://169.254.169.254/latest")])).await;
    assert!(relay.log_text().contains(LINK_LOCAL), "{}", relay.log_text());
    relay.accept(&update("job-1", "Customers", PLANNING_FAILED)).await;
    assert_eq!(fake.wait_for(1).await.len(), 1);
}
