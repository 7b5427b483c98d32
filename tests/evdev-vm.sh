#!/bin/bash
# Checks the evdev backend on a kernel with input devices: a virtual machine with Debian's kernel, no root needed.
# Keys and motion that QEMU sends to its PS/2 devices have to arrive as physical, those a program sends through uinput
# as virtual, and a user who may not read the devices has to be told so; a display that comes later has to be observed instead. Takes
# three minutes; not part of `make test`.
set -euo pipefail
cd "$(dirname "$0")/.."

for tool in qemu-system-x86_64 busybox cpio socat dpkg apt-get Xvfb xkbcomp; do
    command -v "$tool" >/dev/null && continue
    echo "evdev-vm: $tool is missing; run: sudo apt-get install --no-install-recommends qemu-system-x86 busybox-static cpio socat xvfb x11-xkb-utils" >&2
    exit 1
done

cargo build -p candor-input --examples
examples=${CARGO_TARGET_DIR:-target}/debug/examples
cache=${XDG_CACHE_HOME:-$HOME/.cache}/candor/evdev-vm
work=$(mktemp -d)
qemu=
cleanup() {
    [ -z "$qemu" ] || kill "$qemu" 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT

# Debian's kernel, fetched once.
kernel=$(apt-cache depends linux-image-amd64 | sed -nE 's/^ *Depends: *//p' | head -n1)
if [ ! -d "$cache/$kernel" ]; then
    mkdir -p "$cache" "$work/deb"
    (cd "$work/deb" && apt-get -q download "$kernel" && dpkg -x ./*.deb "$work/kernel")
    mv "$work/kernel" "$cache/$kernel"
fi
version=${kernel#linux-image-}

# An initial root file system: busybox, three modules, both programs with their libraries.
root=$work/root
mkdir -p "$root"/{bin,proc,sys,dev,modules,etc}
cp "$(command -v busybox)" "$root/bin/busybox"
for module in evdev uinput psmouse; do
    cp "$cache/$kernel/lib/modules/$version/kernel/drivers/input/"{,misc/,mouse/}"$module.ko" "$root/modules/" 2>/dev/null || true
done
for program in "$examples/"{observe,virtual_devices} "$(command -v Xvfb)" "$(command -v xkbcomp)"; do
    cp -L "$program" "$root/bin/"
    ldd "$program" | grep -oE '/[^ ]+' | while read -r library; do
        cp --parents -L "$library" "$root"
    done
done
# The X server looks for these where Debian has them.
mkdir -p "$root"/{usr/bin,tmp/.X11-unix,var/lib/xkb} && ln -s /bin/xkbcomp "$root/usr/bin/xkbcomp"
cp --parents -rL /usr/share/X11/xkb "$root"
echo 'nobody:x:65534:65534::/:/bin/sh' >"$root/etc/passwd"
cat >"$root/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
for module in evdev uinput psmouse; do insmod /modules/$module.ko; done
sleep 1
echo "--- as nobody"
su nobody -c 'observe 1 evdev totals'
echo "--- as root"
observe 14 evdev &
sleep 2
echo READY
sleep 6
virtual_devices
wait %1
echo "--- a display comes later"
DISPLAY=:7 observe 20 auto totals &
observer=$!
sleep 3
Xvfb :7 -screen 0 640x480x16 -nolisten tcp -extension GLX >/dev/null 2>&1 &
wait $observer
echo DONE
poweroff -f
INIT
chmod +x "$root/init"
(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) >"$work/initrd.gz"

qemu-system-x86_64 -accel tcg -m 512 -machine q35 -kernel "$cache/$kernel/boot/vmlinuz-$version" -initrd "$work/initrd.gz" \
    -append "console=ttyS0 panic=-1 quiet" -display none -serial "file:$work/serial" -no-reboot -net none \
    -monitor "unix:$work/monitor,server,nowait" &
qemu=$!

await() {
    local end=$((SECONDS + 180))
    until grep -q "$1" "$work/serial" 2>/dev/null; do
        [ $SECONDS -lt $end ] || { cat "$work/serial"; echo "evdev-vm: no $1 in 180 s" >&2; exit 1; }
        sleep 0.2
    done
}
await '^READY'
# What a person would do: 20 keys, 50 motions of (10, 5), 3 clicks.
{
    for key in {a..t}; do echo "sendkey $key 20"; sleep 0.05; done
    for _ in {1..50}; do echo 'mouse_move 10 5'; sleep 0.02; done
    for _ in 1 2 3; do echo 'mouse_button 1'; sleep 0.05; echo 'mouse_button 0'; sleep 0.05; done
} | socat - "unix-connect:$work/monitor" >/dev/null
await '^DONE'
tr -d '\r' <"$work/serial" >"$work/log"
sed -n '/--- as nobody/,$p' "$work/log" | grep -vE '^[0-9]+ (pointer|key) '

failed=0
expect() {
    if grep -qE "$1" "$work/log"; then
        echo "ok: $1"
    else
        echo "MISSING: $1"
        failed=1
    fi
}
expect 'degraded.*may not read.*usermod -aG input'
expect 'device physical .*AT Translated Set 2 keyboard'
expect 'device virtual .* 1\] Candor test mouse'
expect 'device virtual .* 0\] Candor test mouse'
expect '^total 20 key physical letter down'
expect '^total 20 key physical letter up'
expect '^total 50 pointer physical'
expect '^total 6 button physical'
expect '^total 2100 pointer virtual'
expect '^total 2 button virtual'
expect '^total 3 wheel virtual'
expect '^total 2 key virtual letter down'
expect '^total 2 key virtual letter repeat'
expect '^total 1 key virtual digit down'
expect '^total 1 key virtual enter down'
expect 'observing backend="evdev'
expect 'observing backend="x11 on :7'
expect 'device physical 1 .*, 0\] AT Translated Set 2 keyboard'
# The machine is up for less than 1000 s, so a longer time is by another clock than the monotonic one.
if grep -qE '^[0-9]{13,} ' "$work/log"; then echo 'MISSING: times on the monotonic clock'; failed=1; fi
if grep -q '^refused' "$work/log"; then echo 'MISSING: the host refuses signals'; failed=1; fi
exit $failed
