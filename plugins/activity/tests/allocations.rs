//! Counts what is allocated while signals come in, over the same vtable the agent calls.

use candor_activity::Activity;
use plugin_api::{event::Button, prelude::*, testing::Harness};

#[test]
fn nothing_is_allocated_per_signal() {
    let mut bench = Harness::detector::<Activity>(json!({ "interval": "1h" })).unwrap();
    bench.tick(1).unwrap();
    let click = Button { button: 1, pressed: true, position: Some((256, 256)) };
    let batch: Vec<_> = (0..64u64)
        .map(|n| match n % 4 {
            0 => Event::key_class(n, Origin::Physical, 2, KeyClass::Letter, n % 8 == 0),
            1 => Event::button_change(n, Origin::Physical, 1, click),
            _ => Event::motion(n, Origin::Injected, 1, 300, 300, Some((1, 2))),
        })
        .collect();
    let allocated =
        allocation_counter::measure(|| (0..1_000).for_each(|_| bench.instance.on_batch(&batch).unwrap()));
    assert_eq!(allocated.count_total, 0, "in 64,000 signals");
}
