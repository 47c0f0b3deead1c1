//! Receivers that hang, lie, hang up, come and go: beside each, a healthy one that must not notice.

pub mod front;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use self::front::{Front, Manner, manner, request};
use crate::figures::{Arrived, held, median, settle, until};
use crate::support::{Fake, Relay, update};

/// Events of a phase, over so many keys.
const EVENTS: usize = 24;
const KEYS: usize = 8;
/// In MiB; the relay has about 40 when nothing happens.
const MOST_MEMORY: u64 = 200;
const MOST_FILES: usize = 150;

/// In the log: it will be tried again.
const LATER: &str = "\"verdict\":\"Later\"";

/// A relay with a receiver behind a front, `bad`, and a healthy one. Both get everything.
struct Stage {
    relay: Relay,
    front: Front,
    bad: Fake,
    healthy: Fake,
    accepted: BTreeSet<String>,
}

impl Stage {
    async fn plain(manner: Manner) -> Stage {
        Stage::set(Fake::start(), manner, "http://127.0.0.1", "", None).await
    }

    /// With a receiver that speaks TLS; `trusted` are further certificates that are trusted.
    async fn tls(manner: Manner, trusted: &str) -> Stage {
        let (bad, pem) = Fake::start_tls();
        Stage::set(bad, manner, "https://localhost", ", tls: { ca: ca.pem }", Some(pem + trusted)).await
    }

    async fn set(bad: Fake, manner: Manner, host: &str, more: &str, ca: Option<String>) -> Stage {
        let (healthy, front) = (Fake::start(), Front::of(&bad, manner).await);
        let mut relay = Relay::prepare(&format!(
            "receivers:\n  bad: {{ kind: webhook, url: \"{host}:{}/\", timeout: 2s, retry: {{ first: 20ms, max: 200ms }}{more} }}\n  \
             healthy: {{ kind: webhook, url: \"{}\" }}\nroutes:\n  - name: everything\n    when: {{ type: \"*\" }}\n    to: [bad, healthy]\n",
            front.port(),
            healthy.url("/"),
        ));
        if let Some(ca) = ca {
            std::fs::write(relay.path("ca.pem"), ca).expect("a file can be written");
        }
        relay.run().await;
        Stage { relay, front, bad, healthy, accepted: BTreeSet::new() }
    }

    /// Posts events one after the other, waits until the healthy receiver has them all, and says how long each took.
    async fn phase(&mut self) -> Vec<Duration> {
        let mut posted = Vec::new();
        for _ in 0..EVENTS {
            let n = self.accepted.len();
            let job = format!("{}-{n:04}", n % KEYS);
            posted.push((job.clone(), Instant::now()));
            self.relay.accept(&update(&job, &format!("P{}", n % KEYS), "")).await;
            self.accepted.insert(job);
        }
        let all = self.healthy.wait_for(self.accepted.len()).await;
        let arrived = |job: &str| all.iter().find(|request| request.json()["job"] == job).expect("all are there").at;
        posted.iter().map(|(job, at)| arrived(job).duration_since(*at)).collect()
    }

    /// What `bad` took, behind its front and at it.
    fn arrivals(&self) -> Vec<(Instant, String)> {
        let behind = self.bad.requests();
        let behind = behind.iter().map(|r| (r.at, r.json()["job"].as_str().expect("a job").to_owned()));
        behind.chain(self.front.seen.taken()).collect()
    }

    /// The whole story: well, ill, well again. `says` is what the relay must have said of the fault.
    async fn play(mut self, fault: &str, says: &str) {
        let before = median(self.phase().await);
        self.front.turn(false);
        let meanwhile = median(self.phase().await);
        let (seen, relay) = (Arc::clone(&self.front.seen), &self.relay);
        until("several attempts failed", relay, async || {
            seen.connections() >= 4 && relay.log_text().contains(says) || !seen.taken().is_empty()
        })
        .await;
        let held = held(relay);
        self.front.turn(true);
        let well = Instant::now();
        if relay.lane("bad").await["health"] == "blocked" {
            // Nobody may have to wait for the next probe, five minutes later.
            relay.says(&["resume", "bad"]).await;
        }
        relay.drained("bad").await;
        let back = well.elapsed();
        let after = median(self.phase().await);
        self.relay.drained("bad").await;
        let Arrived { lost, repeated } = settle(&self.accepted, &self.arrivals());
        println!(
            "{fault}: {} events, lost {}, repeated {repeated}, {} bad connections, recovered in {:.1} s · the healthy receiver's median \
             {before:.1?} before, {meanwhile:.1?} meanwhile, {after:.1?} after · memory {} MiB (most {}), {} files",
            self.accepted.len(),
            lost.len(),
            seen.connections(),
            back.as_secs_f64(),
            held.now,
            held.peak,
            held.files,
        );
        assert!(lost.is_empty(), "{fault} lost {lost:?}");
        assert!(self.relay.log_text().contains(says), "{fault}: the log does not say {says:?}");
        assert_eq!(self.healthy.count(), self.accepted.len(), "the healthy one got each once");
        // Waiting for the other receiver even once would be its time limit, 2 s.
        assert!(meanwhile < before * 5 + Duration::from_secs(1), "{fault}: {before:?} before, {meanwhile:?} meanwhile");
        assert!(held.peak < MOST_MEMORY && held.files < MOST_FILES, "{fault}: {held:?}");
    }
}

/// Answers each connection's first request with `answer`, and waits for its end.
fn answering(answer: impl AsRef<[u8]> + Send + Sync + 'static) -> Manner {
    let answer = Arc::new(answer);
    manner(move |mut stream, _| {
        let answer = Arc::clone(&answer);
        async move {
            request(&mut stream).await;
            // The relay may have hung up meanwhile, here and below.
            let _ = stream.write_all((*answer).as_ref()).await;
            let _ = stream.read_u8().await;
        }
    })
}

/// Answers with `head`, then with `more` again and again, each after `pause`.
fn answering_on(head: &'static str, more: &'static [u8], pause: Duration) -> Manner {
    manner(move |mut stream, _| async move {
        request(&mut stream).await;
        let mut end = stream.write_all(head.as_bytes()).await;
        while end.is_ok() {
            tokio::time::sleep(pause).await;
            end = stream.write_all(more).await;
        }
    })
}

fn reset(stream: &TcpStream) {
    // Linger of zero: closing sends a reset.
    stream.set_zero_linger().expect("an option every system has");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_accepts_and_never_answers_delays_nobody_else() {
    let hang = manner(|mut stream, _| async move {
        request(&mut stream).await;
        std::future::pending::<()>().await;
    });
    Stage::plain(hang).await.play("never answers", "no answer within 2s").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_one_byte_a_second_is_given_up_in_time() {
    let drip = answering_on("", b"H", Duration::from_secs(1));
    Stage::plain(drip).await.play("one byte a second", "no answer within 2s").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_one_byte_a_second_is_given_up_in_time_and_its_status_counts() {
    let drip = answering_on("HTTP/1.1 503 X\r\ncontent-length: 100000\r\n\r\n", b"x", Duration::from_secs(1));
    Stage::plain(drip).await.play("a body of one byte a second", "503").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_body_costs_no_memory() {
    let endless = answering_on("HTTP/1.1 503 X\r\n\r\n", &[b'x'; 16_384], Duration::ZERO);
    Stage::plain(endless).await.play("endless body", "503").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_headers_cost_no_memory() {
    let header: &[u8] = b"x-filler: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n";
    let endless = answering_on("HTTP/1.1 200 OK\r\n", header, Duration::ZERO);
    Stage::plain(endless).await.play("endless headers", LATER).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_reset_before_the_request_are_tried_again() {
    let before = manner(|stream, _| async move { reset(&stream) });
    Stage::plain(before).await.play("reset before the request", LATER).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_reset_during_the_request_are_tried_again() {
    let during = manner(|mut stream, _| async move {
        let _ = stream.read(&mut [0; 20]).await;
        reset(&stream);
    });
    Stage::plain(during).await.play("reset during the request", LATER).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_reset_during_the_answer_are_tried_again() {
    let during = manner(|mut stream, _| async move {
        request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-le").await;
        reset(&stream);
    });
    Stage::plain(during).await.play("reset during the answer", LATER).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_reset_after_the_answer_lose_and_repeat_nothing() {
    let after = manner(|mut stream, seen| async move {
        let Some(message) = request(&mut stream).await else { return };
        seen.took(&message);
        if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.is_ok() {
            // A reset overtakes what was not read yet: the answer first.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        reset(&stream);
    });
    Stage::plain(after).await.play("reset after the answer", "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_protocol_is_not_taken_for_an_answer() {
    let smtp = manner(|mut stream, _| async move {
        let _ = stream.write_all(b"220 mail.example ESMTP ready\r\n").await;
        let _ = stream.read_u8().await;
    });
    Stage::plain(smtp).await.play("another protocol", "the connection broke").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_comes_before_the_request_is_not_taken_for_a_delivery() {
    let eager = manner(|mut stream, _| async move {
        let _ = stream.write_all(b"HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n").await;
        let _ = stream.read_u8().await;
    });
    Stage::plain(eager).await.play("an answer before the request", LATER).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_answer_to_one_request_is_not_taken_for_the_next_ones() {
    let double = manner(|mut stream, seen| async move {
        let Some(message) = request(&mut stream).await else { return };
        seen.took(&message);
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        let _ = stream.write_all(answer.repeat(2).as_bytes()).await;
        // Whatever else comes here is not read: if the relay takes it for delivered, it is lost.
        std::future::pending::<()>().await;
    });
    Stage::plain(double).await.play("two answers to one request", "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn interim_answers_without_end_are_given_up_in_time() {
    let interim =
        answering_on("HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", Duration::from_millis(1));
    Stage::plain(interim).await.play("100 Continue without end", "no answer within 2s").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_protocol_is_no_delivery() {
    let switching = answering("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
    Stage::plain(switching).await.play("101 Switching Protocols", "101").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_not_followed_and_holds_what_is_owed_until_someone_says_resume() {
    let away = Fake::start();
    let moved = format!("HTTP/1.1 307 X\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", away.url("/elsewhere"));
    Stage::plain(answering(moved)).await.play("redirect", "redirects are not followed").await;
    assert_eq!(away.count(), 0, "nothing went where the redirect pointed");
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_instead_of_tls_is_tried_again() {
    let garbage = manner(|mut stream, _| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 The plain HTTP request was sent to HTTPS port\r\n\r\n").await;
        let _ = stream.read_u8().await;
    });
    Stage::tls(garbage, "").await.play("garbage instead of TLS", "TLS: ").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_name_is_refused() {
    let (manner, pem) = presenting(rcgen::CertificateParams::new(vec!["other.example".to_owned()]));
    Stage::tls(manner, &pem).await.play("a certificate of another name", "certificate not valid for name").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_certificate_is_refused() {
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).map(|mut params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        params
    });
    let (manner, pem) = presenting(params);
    Stage::tls(manner, &pem).await.play("an expired certificate", "expired").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_an_untrusted_authority_is_refused() {
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).map(|mut params| {
        params.distinguished_name.push(rcgen::DnType::CommonName, "an authority of somebody else");
        params
    });
    let (manner, _) = presenting(params);
    Stage::tls(manner, "").await.play("an untrusted authority", "UnknownIssuer").await;
}

/// A server with this certificate, which it signs itself, that would take everything; and the certificate as PEM.
fn presenting(params: Result<rcgen::CertificateParams, rcgen::Error>) -> (Manner, String) {
    jobrelay::delivery::install_crypto();
    let key = rcgen::KeyPair::generate().expect("a key can be made");
    let made = params.and_then(|params| params.self_signed(&key)).expect("a certificate can be made");
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.der().clone()], PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der())))
        .expect("the certificate fits its key");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let act = manner(move |stream, _| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                while stream.read(&mut [0; 16_384]).await.is_ok_and(|n| n > 0) && stream.write_all(answer).await.is_ok()
                {
                }
            }
        }
    });
    (act, made.pem())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_without_an_address_is_tried_again_and_mended_by_an_edit() {
    let (bad, healthy) = (Fake::start(), Fake::start());
    let routes = |url: &str| {
        format!(
            "receivers:\n  bad: {{ kind: webhook, url: \"{url}\", timeout: 2s, retry: {{ first: 20ms, max: 200ms }} }}\n  \
             healthy: {{ kind: webhook, url: \"{}\" }}\nroutes:\n  - name: everything\n    when: {{ type: \"*\" }}\n    to: [bad, healthy]\n",
            healthy.url("/")
        )
    };
    let relay = Relay::start(&routes("http://nowhere.invalid/")).await;
    let mut accepted = BTreeSet::new();
    for n in 0..EVENTS {
        let job = format!("{}-{n:04}", n % KEYS);
        relay.accept(&update(&job, &format!("P{}", n % KEYS), "")).await;
        accepted.insert(job);
    }
    healthy.wait_for(EVENTS).await;
    until("the lane is down", &relay, async || relay.lane("bad").await["health"] == "down").await;
    let held = held(&relay);
    assert!(relay.log_text().contains("the name could not be resolved"), "{}", relay.log_text());
    relay.edit(&routes(&bad.url("/"))).await;
    let mended = Instant::now();
    relay.drained("bad").await;
    let arrivals: Vec<_> =
        bad.requests().iter().map(|r| (r.at, r.json()["job"].as_str().expect("a job").to_owned())).collect();
    let Arrived { lost, repeated } = settle(&accepted, &arrivals);
    println!(
        "no address: {EVENTS} events, lost {}, repeated {repeated}, recovered {:.1} s after the edit · memory {} MiB, {} files",
        lost.len(),
        mended.elapsed().as_secs_f64(),
        held.now,
        held.files
    );
    assert!(lost.is_empty() && repeated == 0, "{lost:?} {repeated}");
}
