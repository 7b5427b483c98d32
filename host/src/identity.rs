//! Who this device is to the stores: its id and chain.
