//! What the `postrider` binary is made of, as a library so that tests and tools can use the parts.

pub mod cluster;
pub mod migrate;
