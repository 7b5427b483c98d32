//! Power cuts at random moments under load, on an ext4 of its own. Needs root, for the loop device and the ioctl.
//! The long form: `CANDOR_POWER_CUTS=100 cargo test -p candor-host --test journal power`.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{
    audit, crash,
    driver::{self, Driver},
};

/// A file system whose power can be cut. Gone when dropped.
struct Disk {
    image: PathBuf,
    mount: PathBuf,
    _folder: tempfile::TempDir,
}

fn run(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

impl Disk {
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let (image, mount) = (folder.path().join("image"), folder.path().join("mount"));
        std::fs::create_dir(&mount).expect("a folder");
        std::fs::File::create(&image).and_then(|file| file.set_len(64 << 20)).expect("an image");
        let made = run("mkfs.ext4", &["-q", "-F", text(&image)]);
        let disk = Self { image, mount, _folder: folder };
        (made && disk.mount()).then_some(disk)
    }

    fn mount(&self) -> bool {
        run("mount", &["-o", "loop", text(&self.image), text(&self.mount)])
    }

    /// Stops all writing at once, without flushing what the kernel holds: `FS_IOC_GOINGDOWN`, as `xfs_io -x -c shutdown`.
    /// Answers the moment on the monotonic clock just before.
    fn cut(&self) -> u64 {
        let script = "use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC); my $how = pack('L', 2);
            open(my $f, '<', $ARGV[0]) or exit 1; printf('%.0f', clock_gettime(CLOCK_MONOTONIC) * 1e9);
            ioctl($f, 0x8004587d, $how) or exit 1";
        let output = Command::new("perl").args(["-e", script, text(&self.mount)]).output().expect("perl");
        assert!(output.status.success(), "power not cut: {output:?}");
        String::from_utf8_lossy(&output.stdout).parse().expect("a moment")
    }

    fn power_up(&self) {
        assert!(run("umount", &[text(&self.mount)]), "not unmounted");
        assert!(self.mount(), "not mounted again");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run("umount", &["-l", text(&self.mount)]);
    }
}

#[test]
fn power_cut_loses_nothing_acknowledged_and_stores_nothing_twice() {
    let Some(disk) = Disk::new() else {
        println!("skipped: no ext4 image can be mounted here; run as root on Linux with mkfs.ext4 and perl");
        return;
    };
    let state = disk.mount.join("state");
    let rounds = driver::rounds("CANDOR_POWER_CUTS", 20);
    let mut acknowledged = Vec::new();
    for round in 0..rounds {
        let first = round * 1_000_000;
        let mut driver = Driver::start(&state, first);
        driver.run(round, 60);
        // Once its journal is aborted ext4 may answer a sync that it did not do; after a real cut nobody answers.
        let moment = disk.cut();
        driver.kill();
        acknowledged.push(driver.before(first, moment));
        disk.power_up();
    }
    let audit = audit::settle(&state);
    crash::check(&audit, &acknowledged);
    let stored = audit.numbers().len();
    println!("{rounds} power cuts, {stored} records stored, {} numbers declared missing", audit.missing());
    assert!(audit.gaps("unclean_end").len() as u64 >= rounds - rounds / 4);
}
