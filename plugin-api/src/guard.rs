//! Catches a plugin's panics inside the plugin, where the unwinding ends.

use std::{
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook},
    sync::Once,
};

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs `f`; a panic becomes a text that says what and where.
pub fn guard<R>(f: impl FnOnce() -> R) -> Result<R, String> {
    install();
    DEPTH.set(DEPTH.get() + 1);
    let result = catch_unwind(AssertUnwindSafe(f));
    DEPTH.set(DEPTH.get() - 1);
    result.map_err(|payload| {
        // Dropping a payload may panic again, out of here; leaking it can't.
        std::mem::forget(payload);
        PLACE.with(RefCell::take)
    })
}

/// Keeps a guarded panic from writing to standard error: its text goes to the host instead.
fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            if DEPTH.get() == 0 {
                return before(info);
            }
            let what = info.payload_as_str().unwrap_or("panicked");
            let place =
                info.location().map_or(String::new(), |at| format!(" at {}:{}", at.file(), at.line()));
            PLACE.with(|slot| {
                if let Ok(mut slot) = slot.try_borrow_mut() {
                    *slot = format!("panicked{place}: {what}");
                }
            });
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::guard;

    #[test]
    fn a_panic_becomes_text_and_the_next_call_works() {
        let text = guard(|| panic!("pointer {}", 7)).unwrap_err();
        assert!(text.contains("pointer 7") && text.contains("guard.rs"), "{text}");
        assert_eq!(guard(|| 3), Ok(3));
    }

    #[test]
    fn a_payload_that_panics_when_dropped_is_contained() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("again");
            }
        }
        assert!(guard(|| std::panic::panic_any(Bomb)).is_err());
    }
}
