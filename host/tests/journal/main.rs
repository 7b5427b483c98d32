//! What the journal promises, tried on real disks, real kills and real power cuts.

mod audit;
mod chain;
mod crash;
mod damage;
mod deliver;
mod driver;
mod encrypt;
mod full;
mod outbox;
mod power;
mod queue;
mod quota;
mod retain;
