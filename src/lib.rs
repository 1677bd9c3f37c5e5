//! portcullis: an inline security reverse proxy.

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
