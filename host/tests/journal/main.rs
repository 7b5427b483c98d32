//! What the journal promises, tried on real disks, real kills and real power cuts.

mod audit;
mod crash;
mod damage;
mod driver;
mod full;
mod power;
