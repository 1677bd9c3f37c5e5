//! A small application to put behind the proxy.
//!
//! ```text
//! cargo run --release --example dummy_upstream [ADDRESS]     # 127.0.0.1:5000 unless said otherwise
//! curl http://127.0.0.1:5000/api/endpoint                    # {"message": "API endpoint reached successfully"}
//! ```

#![expect(clippy::print_stdout, reason = "it tells where it listens")]

#[path = "support/upstream.rs"]
mod upstream;

use anyhow::Context;
use tokio::net::TcpListener;

fn main() -> anyhow::Result<()> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:5000".into());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(&address)
            .await
            .with_context(|| format!("cannot listen on {address}"))?;
        println!("Listening on http://{}", listener.local_addr()?);
        upstream::serve(listener).await;
        Ok(())
    })
}
