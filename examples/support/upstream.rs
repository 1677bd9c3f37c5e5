//! A small application to stand behind the proxy: a few pages, and no opinion about who asks for them.

use std::convert::Infallible;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// The longest body that `/login` sends back.
const LONGEST_ECHO: usize = 1 << 20;

/// Serves the pages until the future is dropped.
pub(crate) async fn serve(listener: TcpListener) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        tokio::spawn(async move {
            let service =
                service_fn(|request| async { Ok::<_, Infallible>(answer(request).await) });
            // A client that breaks off is no news.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(request: Request<Incoming>) -> Response<Full<Bytes>> {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => json(StatusCode::OK, r#"{"message": "ok"}"#),
        (&Method::GET, "/api/endpoint") => json(
            StatusCode::OK,
            r#"{"message": "API endpoint reached successfully"}"#,
        ),
        (&Method::GET, "/api/limited") => json(
            StatusCode::OK,
            r#"{"message": "Limited endpoint reached successfully"}"#,
        ),
        (&Method::POST, "/login") => echo(request).await,
        _ => json(StatusCode::NOT_FOUND, r#"{"error": "Not Found"}"#),
    }
}

/// Sends a body back as it came, so that one can see what arrived.
async fn echo(request: Request<Incoming>) -> Response<Full<Bytes>> {
    let content_type = request.headers().get(header::CONTENT_TYPE).cloned();
    let body = Limited::new(request.into_body(), LONGEST_ECHO);
    #[expect(clippy::disallowed_methods, reason = "the body is bounded")]
    let collected = body.collect().await;
    let Ok(body) = collected else {
        return json(
            StatusCode::PAYLOAD_TOO_LARGE,
            r#"{"error": "Payload Too Large"}"#,
        );
    };
    let mut response = Response::new(Full::new(body.to_bytes()));
    if let Some(content_type) = content_type {
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, content_type);
    }
    response
}

fn json(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json"),
    );
    response
}
