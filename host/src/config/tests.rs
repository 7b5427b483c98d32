//! One line of message per mistake.

use super::*;
