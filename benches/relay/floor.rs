//! The floor: the same actix-web, `serde_json` and reqwest, receiving, parsing and forwarding the same body. It stores nothing and decides
//! nothing.

use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::{App, HttpResponse, HttpServer, web};
use futures_util::future::join_all;

/// Runs as a process of its own until it is killed: forwards to each of `urls`, so many of ten events.
pub fn run(of_ten: usize, urls: &[String]) {
    jobrelay::delivery::install_crypto();
    let urls = urls.to_vec();
    let client = reqwest::Client::builder().tcp_nodelay(true).build().expect("a client");
    actix_web::rt::System::new().block_on(async move {
        let server = HttpServer::new(move || {
            let (client, urls) = (client.clone(), urls.clone());
            App::new().default_service(web::to(move |body: web::Bytes| {
                let (client, urls) = (client.clone(), urls.clone());
                async move {
                    let event: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
                    let id = event["id"].as_str().map(str::to_owned);
                    if turn() < of_ten {
                        join_all(urls.iter().map(|url| forward(&client, url, body.clone()))).await;
                    }
                    HttpResponse::Ok().json(id)
                }
            }))
        })
        .bind("127.0.0.1:0")
        .expect("a free port");
        eprintln!("listening on http://{}", server.addrs()[0]);
        server.run().await.expect("it runs");
    });
}

async fn forward(client: &reqwest::Client, url: &str, body: web::Bytes) {
    let answer = client.post(url).header("content-type", "application/json").body(body).send().await;
    assert!(answer.is_ok_and(|answer| answer.status() == 200));
}

/// 0 to 9, and again.
fn turn() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed) % 10
}
