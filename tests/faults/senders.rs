//! Senders that are slow, many, malformed or hostile: they are answered as designed, cost bounded memory, and others do not notice.

pub mod door;

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use self::door::{Door, answer};
use crate::figures::PATIENCE;
use crate::support::update;

const MIB: usize = 1 << 20;

/// So many slow senders at once.
const SLOW: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn a_head_of_one_byte_a_second_is_cut_and_others_are_answered() {
    let mut door = Door::open().await;
    let begun = Instant::now();
    let mut slow = JoinSet::new();
    for _ in 0..SLOW {
        let mut stream = door.connect().await;
        slow.spawn(async move {
            for byte in b"POST /webhooks HTTP/1.1\r\nhost: localhost\r\nx-filler: ".iter().cycle() {
                tokio::select! {
                    answer = answer(&mut stream) => return answer,
                    () = tokio::time::sleep(Duration::from_secs(1)) => {}
                }
                if stream.write_all(&[*byte]).await.is_err() {
                    return None;
                }
            }
            unreachable!("the bytes never end")
        });
    }
    door.others().await;
    let ends = all(slow).await;
    let cut = ends.iter().filter(|end| end.as_ref().is_none_or(|answer| answer.status == 408)).count();
    assert_eq!(cut, SLOW, "{ends:?}");
    door.close("heads of one byte a second", &format!("{SLOW} cut within {:.0} s", begun.elapsed().as_secs_f64()))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_one_byte_a_second_is_told_408_and_others_are_answered() {
    let mut door = Door::open().await;
    let begun = Instant::now();
    let mut slow = JoinSet::new();
    for _ in 0..SLOW {
        let mut stream = door.connect().await;
        slow.spawn(async move {
            let head = "POST /webhooks HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n{";
            let mut end = stream.write_all(head.as_bytes()).await;
            loop {
                tokio::select! {
                    answer = answer(&mut stream) => return answer,
                    () = tokio::time::sleep(Duration::from_secs(1)) => {}
                }
                if end.is_err() {
                    return None;
                }
                end = stream.write_all(b" ").await;
            }
        });
    }
    door.others().await;
    let ends = all(slow).await;
    let told = ends.iter().filter(|end| end.as_ref().is_some_and(|answer| answer.status == 408)).count();
    assert_eq!(told, SLOW, "{ends:?}");
    assert_eq!(door.refused("incomplete").await, SLOW as u64);
    door.close(
        "bodies of one byte a second",
        &format!("{SLOW} told 408 within {:.0} s", begun.elapsed().as_secs_f64()),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_idle_connections_make_nobody_who_is_connected_wait() {
    let mut door = Door::open().await;
    door.others().await;
    let mut connecting = JoinSet::new();
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(500));
    for _ in 0..10_000 {
        let (address, gate) = (door.address(), std::sync::Arc::clone(&gate));
        connecting.spawn(async move {
            let _turn = gate.acquire().await.expect("never closed");
            match tokio::time::timeout(Duration::from_secs(60), TcpStream::connect(address)).await {
                Ok(Ok(stream)) => Some(stream),
                // Too many files for this process is all that may go wrong; or the kernel's queue stays full.
                Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => panic!("{error}"),
                _ => None,
            }
        });
    }
    let idle: Vec<TcpStream> = connecting.join_all().await.into_iter().flatten().collect();
    // The client that came before has its connection still.
    door.others().await;
    let files = door.held().files;
    let begun = Instant::now();
    let mut late = door.connect().await;
    late.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("it is connected");
    let answered = tokio::time::timeout(PATIENCE, answer(&mut late)).await.expect("one who comes late is answered");
    assert_eq!(answered.expect("an answer").status, 200);
    let waited = begun.elapsed();
    let count = idle.len();
    drop(idle);
    door.others().await;
    let said = format!("{count} connections, {files} files, a new client waited {:.1} s", waited.as_secs_f64());
    assert!(count >= 4_000, "{said}");
    door.close("idle connections", &said).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_sent_without_waiting_are_answered_in_order() {
    const REQUESTS: usize = 500;
    let mut door = Door::open().await;
    let mut stream = door.connect().await;
    let jobs: Vec<String> = (0..REQUESTS).map(|n| format!("pipe-{n:04}")).collect();
    let requests: Vec<u8> = jobs.iter().flat_map(|job| post(update(job, "pipe", "").to_string().as_bytes())).collect();
    let (mut read, mut write) = stream.split();
    let writing = async { write.write_all(&requests).await.expect("the relay reads on") };
    let reading = async {
        let mut ids = Vec::new();
        let mut answers = door::Answers::of(&mut read);
        for _ in 0..REQUESTS {
            let answer = answers.next().await.expect("each is answered");
            assert_eq!(answer.status, 200, "{answer:?}");
            ids.push(answer.json()["ids"][0].as_str().expect("an ID").to_owned());
        }
        ids
    };
    let ((), ids) = tokio::join!(writing, reading);
    assert!(ids.is_sorted(), "answers in another order than requests");
    door.accepted.extend(jobs);
    door.others().await;
    door.close("pipelining", &format!("{REQUESTS} answered in order")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_are_too_large_are_refused() {
    let mut door = Door::open().await;
    let mut ends = Vec::new();
    for _ in 0..20 {
        let mut stream = door.connect().await;
        let filler = vec![b'y'; 8 * MIB];
        let begun = stream.write_all(b"POST /webhooks HTTP/1.1\r\nhost: localhost\r\nx-filler: ").await;
        // Cut off on the way, sooner or later.
        let end = match begun {
            Ok(()) => stream.write_all(&filler).await,
            end => end,
        };
        let answer = answer(&mut stream).await;
        assert!(
            end.is_err() || answer.as_ref().is_some_and(|answer| (400..500).contains(&answer.status)),
            "{answer:?}"
        );
        ends.push(answer.map_or(0, |answer| answer.status));
    }
    door.others().await;
    ends.sort_unstable();
    ends.dedup();
    door.close("heads of 8 MiB", &format!("answered {ends:?} (0: cut off)")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_contradict_themselves_smuggle_nothing_in() {
    let mut door = Door::open().await;
    let event = update("smuggled-0", "smuggled", "").to_string();
    let smuggled = String::from_utf8(post(event.as_bytes())).expect("text");
    let head = "POST /webhooks HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    let nonsense = [
        (
            "no number as a chunk's size",
            format!("{head}transfer-encoding: chunked\r\n\r\nzz\r\n{{}}\r\n0\r\n\r\n{smuggled}"),
        ),
        ("a negative chunk", format!("{head}transfer-encoding: chunked\r\n\r\n-1\r\n{{}}\r\n0\r\n\r\n{smuggled}")),
        (
            "a chunk beyond 64 bits",
            format!("{head}transfer-encoding: chunked\r\n\r\n10000000000000002\r\n{{}}\r\n0\r\n\r\n{smuggled}"),
        ),
        (
            "a chunk longer than said",
            format!("{head}transfer-encoding: chunked\r\n\r\n1\r\n{{}}\r\n0\r\n\r\n{smuggled}"),
        ),
        ("no number as length", format!("{head}content-length: two\r\n\r\n{{}}{smuggled}")),
        ("a negative length", format!("{head}content-length: -2\r\n\r\n{{}}{smuggled}")),
        ("a length with a sign", format!("{head}content-length: +2\r\n\r\n{{}}{smuggled}")),
        ("a length beyond 64 bits", format!("{head}content-length: 18446744073709551618\r\n\r\n{{}}{smuggled}")),
        ("two lengths", format!("{head}content-length: 2\r\ncontent-length: 3\r\n\r\n{{}}{smuggled}")),
        ("a list of lengths", format!("{head}content-length: 2, 3\r\n\r\n{{}}{smuggled}")),
        (
            "length and chunks",
            format!("{head}content-length: 7\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"),
        ),
        (
            "chunks and length",
            format!("{head}transfer-encoding: chunked\r\ncontent-length: 7\r\n\r\n0\r\n\r\n{smuggled}"),
        ),
        ("a coding nobody knows", format!("{head}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n{smuggled}")),
        ("chunked and not last", format!("{head}transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n{smuggled}")),
        (
            "chunked twice",
            format!("{head}transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"),
        ),
        (
            "a space before the colon",
            format!("{head}transfer-encoding : chunked\r\ncontent-length: 7\r\n\r\n0\r\n\r\n{smuggled}"),
        ),
        (
            "a folded line",
            format!("{head}x-a: b\r\n transfer-encoding: chunked\r\ncontent-length: 7\r\n\r\n0\r\n\r\n{smuggled}"),
        ),
        (
            "a bare line feed in a value",
            format!("{head}x-a: b\ntransfer-encoding: chunked\r\ncontent-length: 7\r\n\r\n0\r\n\r\n{smuggled}"),
        ),
        ("a zero byte", format!("{head}x-a: b\0\r\ncontent-length: 7\r\n\r\n0\r\n\r\n{smuggled}")),
        ("no HTTP at all", format!("\u{16}\u{3}\u{1}\u{2}\0{smuggled}")),
        ("a version nobody knows", format!("POST /webhooks HTTP/7.1\r\nhost: localhost\r\n\r\n{smuggled}")),
    ];
    let mut wrong = Vec::new();
    for (what, request) in &nonsense {
        let mut stream = door.connect().await;
        let _ = stream.write_all(request.as_bytes()).await;
        let mut statuses = Vec::new();
        let mut answers = door::Answers::of(&mut stream);
        while let Ok(Some(answer)) = tokio::time::timeout(Duration::from_secs(15), answers.next()).await {
            statuses.push(answer.status);
        }
        println!("{what}: {statuses:?}");
        if statuses.iter().any(|status| !(400..500).contains(status)) || statuses.len() > 1 {
            wrong.push((*what, statuses));
        }
    }
    assert!(wrong.is_empty(), "taken for requests: {wrong:?}");
    door.others().await;
    door.close("requests that contradict themselves", &format!("{} forms, none taken", nonsense.len())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_event_is_refused_or_quarantined_and_what_is_one_is_taken() {
    let mut door = Door::open().await;
    let inside = |value: &str| {
        update("odd-0", "odd", "").to_string().replacen("\"data\":{", &format!("\"odd\":{value},\"data\":{{"), 1)
    };
    let mut invalid = inside("\"?\"").into_bytes();
    let place = invalid.iter().position(|&byte| byte == b'?').expect("it is there");
    invalid[place] = 0xff;
    let digits = "7".repeat(MIB - 2_000);
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let twice = update("odd-1", "odd", "").to_string().replacen('{', "{\"id\":\"other\",", 1);
    let no_events: Vec<String> = (0..5_000).map(|n| format!("{{\"n\":{n}}}")).collect();
    let forms: [(&str, Vec<u8>, u16); 13] = [
        ("5,000 arrays in each other", inside(&deep).into(), 422),
        ("5,000 objects in each other", inside(&("{\"a\":".repeat(5_000) + "1" + &"}".repeat(5_000))).into(), 422),
        ("a number of 1 MiB of digits", inside(&digits).into(), 422),
        ("a text of 1 MiB of digits", inside(&format!("\"{digits}\"")).into(), 200),
        ("invalid UTF-8", invalid, 422),
        ("a key twice", twice.into(), 200),
        ("NaN", inside("NaN").into(), 422),
        ("half of it", update("odd-2", "odd", "").to_string()[..200].into(), 422),
        ("nothing", Vec::new(), 422),
        ("5,000 items that are no events", format!("[{}]", no_events.join(",")).into(), 422),
        ("300,000 arrays side by side", format!("[{}[]]", "[],".repeat(300_000)).into(), 422),
        ("one byte above 1 MiB", vec![b' '; MIB + 1], 413),
        ("unpaired surrogates", inside("\"\\ud800\"").into(), 422),
    ];
    for (what, body, expected) in forms {
        let (status, said) = door.relay.post_raw("application/cloudevents+json", &[], body).await;
        println!("{what}: {status}");
        assert_eq!(status, expected, "{what}: {said}");
    }
    door.accepted.extend(["odd-0".to_owned(), "odd-1".to_owned()]);
    let gzip = [("content-encoding", "gzip")];
    let (status, said) = door.relay.post_raw("application/json", &gzip, vec![0x1f, 0x8b, 8, 0]).await;
    assert_eq!(status, 415, "{said}");
    let kept = door.relay.get("/api/v1/quarantine?limit=100").await;
    let count = kept["items"].as_array().map_or(0, Vec::len);
    assert_eq!(count, 10, "each that was answered 422, once: {kept}");
    door.others().await;
    door.close("what is no event", &format!("{count} kept in the quarantine")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_of_a_thousand_are_taken_whole_beside_what_cannot_be_read() {
    const BATCHES: usize = 10;
    let mut door = Door::open().await;
    let mut sent = BTreeSet::new();
    let begun = Instant::now();
    for batch in 0..BATCHES {
        let mut items = Vec::new();
        for n in 0..1_000 {
            if n % 100 == 99 {
                items.push(json!({"odd": [batch, n]}));
                continue;
            }
            let job = format!("b{:02}-{batch:02}{n:04}", n % 50);
            let mut event = update(&job, &format!("b{}", n % 50), "");
            event["filler"] = "f".repeat(430).into();
            items.push(event);
            sent.insert(job);
        }
        let body = serde_json::to_vec(&items).expect("JSON");
        assert!((900_000..=MIB).contains(&body.len()), "{}", body.len());
        let (status, said) = door.relay.post_raw("application/cloudevents-batch+json", &[], body).await;
        assert_eq!((status, &said["accepted"], &said["quarantined"]), (200, &990.into(), &10.into()), "{said}");
    }
    let took = begun.elapsed();
    door.accepted.extend(sent);
    door.others().await;
    door.close("batches of 1 MiB", &format!("{BATCHES} of 1,000 items taken in {:.1} s", took.as_secs_f64())).await;
}

/// A whole request that posts this body.
pub fn post(body: &[u8]) -> Vec<u8> {
    let mut request = format!(
        "POST /webhooks HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/cloudevents+json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    request
}

/// Waits for all, with patience.
async fn all<T: 'static + Send>(tasks: JoinSet<T>) -> Vec<T> {
    tokio::time::timeout(PATIENCE, tasks.join_all()).await.expect("they are cut off in time")
}
