//! What the `postrider` binary is made of, as a library so that tests and tools can use the parts.

pub mod cli;
mod command;
pub mod config;
mod dev;
mod exit;
mod logging;
mod rekey;
mod signals;

pub mod cluster;
pub mod migrate;
