//! portcullis: an inline security reverse proxy.
//!
//! It stands in front of an HTTP API, runs every request through an ordered chain of
//! [`ThreatDetection`](engine::ThreatDetection)s, forwards clean requests and answers 403 to the rest. This page is how
//! it is built; README.md is how it is used, and `rules.yaml` is the manual of every key.
//!
//! # The sentence
//!
//! Something arrives → its sender is identified → it is parsed and decoded **once** → an ordered chain judges it → the
//! policy turns findings into forward or block → one [`Event`](event::Event) tells what happened.
//!
//! ```text
//!           accept            identify           decode once           judge              act
//! client ─► proxy/listener ─► ClientIdentity ──► RequestView ────────► Chain ─► Policy ─► Permit ─► upstream
//!             framing                             ▲  │ body wanted?     │ Block            │
//!                                         BodyView┘  ▼                  ▼                  ▼
//!                                            receive.rs            respond.rs ◄── Chain on the ResponseView
//!                                                                       │
//!                                             report.rs ────────────────┴─► Event ─► EventBus ─► log, subscribers
//! ```
//!
//! From [`RequestView`](request::RequestView) to [`Permit`](engine::Permit) everything is synchronous, does no I/O and
//! reads no clock: [`engine::decide::decide`] is the whole judgement. It changes nothing but the
//! [`Facts`](clients::Facts) that it is given: live ones count, while `explain` and the self-test hand in scratch ones.
//!
//! # Rooms
//!
//! What a room may import, lower ← higher; a test reads the imports and holds them:
//!
//! `config` ← `event`, `request` ← `clients` ← `engine` ← `detections` ← `store` ← `proxy`, `control` ← `app` ← `cli`
//!
//! | room | what it holds |
//! |---|---|
//! | [`config`] | how values, files and errors of a configuration are read; knows no section |
//! | [`request`] | what a detection may look at: values with places and offsets into the raw bytes |
//! | [`event`] | what is told, and the way to whoever is told |
//! | [`clients`] | the lasting facts per client: limiter state, windows, bans; bounded; survive reloads |
//! | [`engine`] | the trait, the registry, the chain, the policy, the decision |
//! | [`detections`] | one file or folder each, and the list of them |
//! | [`store`] | what survives a restart |
//! | [`proxy`] | the traffic listener: a request's life is one page, `exchange.rs` |
//! | [`control`] | the second listener, for operators |
//! | [`app`] | assembly: configuration → policy → listeners; reload, drain |
//! | [`cli`] | one file per verb |
//!
//! A new detection is one new file and its lines in `detections/mod.rs`. A detection of one's own is registered at run
//! time ([`run`]), and its name then works in `rules.yaml`, `check`, `explain` and `schema`;
//! `examples/custom_detection.rs` shows it.
//!
//! # Decisions
//!
//! * **Proof by type.** Forwarding demands a [`Permit`](engine::Permit), which only a judgement makes: there is no way
//!   to the upstream around the chain.
//! * **A verdict carries a list of findings**, because the scores of several rules in one request add up.
//! * **Answer headers are a side channel of the context**, so that a rate limit can announce itself without costing
//!   anything where nobody asked for it. What a detection in monitor mode adds is dropped.
//! * **A detection is told whether it is enforced** ([`Context::enforced`](engine::Context)), since one that keeps facts
//!   must keep would-be ones apart: monitor mode never feeds a real refusal.
//! * **A ban is a fact, not a setting.** A refusal is held against its client where it is decided (`decide/reaction.rs`), and
//!   what comes of that is in `clients/bans`. Refused requests count whole for `within` and not at all after it, instead of
//!   fading: who reads `after: 3, within: 10m` can say when a client is banned.
//! * **Stored, then told.** Requests write what changed into a journal; one thread (`app/keeper`) commits it and only then
//!   tells of it, so what was announced survives. Nothing on the way of a request waits for a disk.
//! * **Values have forms, not one decoding.** A form is what an application sees after some decodings; each keeps the
//!   way back to the raw bytes. The first form is what the place itself demands; the others are searched for, and of a value
//!   whose escapes have no end, nothing is believed.
//! * **A value is 32 bytes.** A body can have one for every two of its bytes, so the view keeps records of numbers
//!   (`request/values.rs`): ranges, marks, the way to a name. Names, places and plain forms are made when somebody asks.
//! * **Content codings are undone beside a body, not in its place.** What the bytes stand for is judged, and so are the
//!   bytes themselves, as an application reads them that does not decode; the bytes go on. Where two decoders would find
//!   different things, neither is forwarded.
//! * **Nobody says who he is.** Headers that tell of a request's way are read where the operator trusts who wrote them, and
//!   written anew for the upstream; other copies go, in every spelling that folds to them. A PROXY protocol header names
//!   the peer before anything else is asked.
//! * **A path has readings.** Limits and decoys compare the normal path, and where it goes up, every path that some server
//!   would take it for; an exemption holds only for a path that is written as it is meant.
//! * **Two kinds of failure.** *Exhausted* is the sender's choice and refused; a *fault* is ours, and `on_error` decides.
//! * **A body is read as everything it could be**, by what is said of it and by what it looks like; what two readers would
//!   read differently is recorded by the parsers, weighed in one table (`request/ambiguity.rs`), and a finding of its own.
//!   What cannot be read at all is refused with 400.
//! * **What repeats is searched once.** Header values in which nothing was found are remembered for a while, byte by byte
//!   (`engine/patterns/harmless.rs`); nothing is remembered of what was found, nor of secrets.
//! * **Work is counted, not timed.** What is decoded and looked at, how often, has one budget for each head and each body
//!   (`request/work.rs`), whoever reads it and in whatever pieces; beyond it the request is *exhausted*. So the same request
//!   is judged the same on every machine. What is not decoded for want of it is said to be so: nothing is lost to decoys.
//! * **Start and reload are the same function**: load → compile → self-test → swap. Lists and automata are shared across
//!   revisions by the hash of what they were made of.
//! * **One thread per core** carries traffic, with its own sockets (`SO_REUSEPORT`) and idle upstream connections; one
//!   more carries everything else. Bodies over 64 KiB are judged on a bounded pool.
//! * **A form of any length is judged before it goes on.** One that is too long to be judged whole is cut into units
//!   (`request/body/multipart/units.rs`); its stream to the upstream has each judged before it hands it on
//!   (`proxy/body/judged.rs`). So a permit holds for what was judged until then, and is taken back by breaking off: the
//!   upstream never gets the end. Only a file that is one by every parser's reading, and no text, goes on unread.
//! * **Who waits for whom is measured, not time alone.** A client is held to a rate (`pace.rs`) only while it is waited
//!   for, in both directions; so a slow upstream costs nobody a connection, and an upload lives as long as it comes on.
//! * **A connection that idles rests** (`rest.rs`): hyper and its buffers are taken down, and built again for the next
//!   request. The gate knows where a request ends, so what is read next begins one.
//! * **What an outsider can cause any number of is told ten times a second** and counted beyond that (`tally.rs`).
//! * **The framing gate** is `proxy/framing/`: it stands between a client's connection and hyper, and lets through only
//!   what can be read in one way. It yields no values: what hyper parses is judged, and forwarded written anew. A head that
//!   it refuses is answered by the ordinary way out, since hyper is given a request of ours in its place; the service knows
//!   it by its number. So there is one way to answer, one to tell, and one to close.
//! * **Other protocols end at the edge.** TLS goes between the watched socket and the gate (`proxy/tls/`), so a client's pace
//!   is that of its bytes. A head that comes as HTTP/2 (`proxy/http2/`) is put into the form of HTTP/1.1 and scanned by the same
//!   gate before it is a request; frames that bring nothing are counted in front of hyper. A WebSocket (`tunnel.rs`) is a
//!   request like any other until the upstream has answered 101; only then the gate opens.
//! * **A site is what a request is served under** (`proxy/routes/`): policy, limits, upstream, headers. Its path is the
//!   normal one, and where its readings are of several sites it is refused.
//! * **What is known of a server outlives connections, cores and reloads** (`proxy/upstream/server.rs`); which of several
//!   gets a request is decided without a lock (`balance.rs`). Of an answer by HTTP/2 hyper alone sees the boundaries: a
//!   frame has one length, so there are no two readings of it.
//! * **The same for answers** is `proxy/framing/answer/`, between an upstream's connection and hyper. It knows whether
//!   anybody asked: what comes before a request or after the end of an answer would be the next client's.
//! * **A connection to the upstream has one owner** (the pool, or the request that uses it; of HTTP/2, those that use it) and
//!   closes with it. That is all
//!   there is to cancelling; nothing has to be told to stop. A request is sent again only where nobody can have got it, or
//!   where it is safe, has no body, and nothing was answered.

pub mod app;
pub mod cli;
pub mod clients;
pub mod config;
pub mod control;
pub mod detections;
pub mod engine;
pub mod event;
pub mod proxy;
pub mod request;
pub mod store;

/// The whole program, with the detections of `registry`: command line in, exit code out.
///
/// A program with detections of its own is this one line with a registry of its own,
/// `portcullis::run(Registry::default().with::<Mine>())`; their names then work in `rules.yaml` and in every verb.
#[must_use]
pub fn run(registry: engine::Registry) -> std::process::ExitCode {
    cli::main(std::env::args_os(), registry)
}
