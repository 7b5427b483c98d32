//! The calls to the operating system that no safe library makes.

#[cfg(target_os = "linux")]
pub use linux::monotonic;
#[cfg(all(target_os = "linux", feature = "rdev"))]
pub use xlib::survive;

#[cfg(target_os = "linux")]
mod linux {
    use std::os::fd::AsFd;

    /// `EVIOCSCLOCKID`, `_IOW('E', 0xa0, int)`.
    const SET_CLOCK: rustix::ioctl::Opcode = rustix::ioctl::opcode::write::<i32>(b'E', 0xa0);
    const CLOCK_MONOTONIC: i32 = 1;

    /// Has the kernel stamp this device's events by the monotonic clock.
    pub fn monotonic(device: impl AsFd) -> std::io::Result<()> {
        // SAFETY: the kernel reads one int, for which the opcode's size stands; it keeps no pointer.
        let call = unsafe { rustix::ioctl::Setter::<SET_CLOCK, i32>::new(CLOCK_MONOTONIC) };
        // SAFETY: as above; on something that is no input device it fails and changes nothing.
        unsafe { rustix::ioctl::ioctl(device, call) }.map_err(Into::into)
    }
}

#[cfg(all(target_os = "linux", feature = "rdev"))]
mod xlib {
    use std::{
        cell::RefCell,
        ffi::{c_int, c_void},
    };

    type OnError = unsafe extern "C" fn(display: *mut c_void, error: *mut c_void) -> c_int;
    type OnLoss = unsafe extern "C" fn(display: *mut c_void) -> c_int;

    #[link(name = "X11")]
    unsafe extern "C" {
        fn XInitThreads() -> c_int;
        fn XSetErrorHandler(handler: Option<OnError>) -> Option<OnError>;
        fn XSetIOErrorHandler(handler: Option<OnLoss>) -> Option<OnLoss>;
    }

    thread_local! {
        static ON_LOSS: RefCell<Option<Box<dyn Fn()>>> = const { RefCell::new(None) };
    }

    /// Has the process survive its X server. Xlib ends the process when a server goes away, and there is no way back
    /// out of the call that noticed: so that thread calls `on_loss` and stays in there for ever, which costs the thread
    /// and its connection. This thread's `on_loss` is the given one; the handlers are the whole process's.
    pub fn survive(on_loss: impl Fn() + 'static) {
        ON_LOSS.set(Some(Box::new(on_loss)));
        // SAFETY: callable at any time; the handlers are functions of this library, which is never unloaded.
        unsafe {
            XInitThreads();
            XSetErrorHandler(Some(ignore));
            XSetIOErrorHandler(Some(park));
        }
    }

    /// A request that failed shows in what it was to bring about; by default Xlib ends the process here too.
    unsafe extern "C" fn ignore(_: *mut c_void, _: *mut c_void) -> c_int {
        0
    }

    unsafe extern "C" fn park(_: *mut c_void) -> c_int {
        // Whoever else talks to a lost server by Xlib is parked as well, rather than the process ended.
        ON_LOSS.with_borrow(|on_loss| on_loss.as_ref().map(|on_loss| on_loss()));
        loop {
            std::thread::park();
        }
    }
}

#[cfg(windows)]
pub use windows::{Hook, Seen, character, mono_ns, thread, wake};

#[cfg(windows)]
mod windows {
    use std::{
        cell::{Cell, RefCell},
        io, ptr,
    };

    use windows_sys::Win32::{
        Foundation::{LPARAM, LRESULT, WPARAM},
        System::{
            LibraryLoader::GetModuleHandleW,
            Performance::{QueryPerformanceCounter, QueryPerformanceFrequency},
            Threading::GetCurrentThreadId,
        },
        UI::{
            Input::KeyboardAndMouse::{GetKeyboardLayout, MAPVK_VK_TO_CHAR, MapVirtualKeyExW},
            WindowsAndMessaging::{
                CallNextHookEx, GetForegroundWindow, GetMessageW, GetWindowThreadProcessId, HHOOK, HOOKPROC,
                KBDLLHOOKSTRUCT, KillTimer, LLKHF_INJECTED, LLKHF_UP, LLMHF_INJECTED, MSG, MSLLHOOKSTRUCT,
                PM_NOREMOVE, PeekMessageW, PostThreadMessageW, SetTimer, SetWindowsHookExW,
                UnhookWindowsHookEx, WH_KEYBOARD_LL, WH_MOUSE_LL, WINDOWS_HOOK_ID, WM_APP,
            },
        },
    };

    /// How long events gather.
    const GATHER_MS: u32 = 20;

    /// What a hook was told, when, and whether a program sent it.
    #[derive(Clone, Copy)]
    pub enum Seen {
        Mouse { time: u64, message: u32, x: i32, y: i32, data: u32, injected: bool },
        Key { time: u64, key: u32, is_up: bool, injected: bool },
    }

    thread_local! {
        /// What the hooks of this thread have seen since it was last taken.
        static SEEN: RefCell<Vec<Seen>> = const { RefCell::new(Vec::new()) };
        /// The timer that ends [`Hook::wait`] once events have gathered; 0 when there are none.
        static TIMER: Cell<usize> = const { Cell::new(0) };
    }

    /// Both hooks of this thread; they go with it.
    pub struct Hook {
        hooks: [HHOOK; 2],
    }

    impl Hook {
        /// Sets the hooks.
        pub fn new() -> io::Result<Self> {
            SEEN.with_borrow_mut(|seen| seen.reserve(1024));
            let mut hook = Self { hooks: [ptr::null_mut(); 2] };
            let kinds: [(WINDOWS_HOOK_ID, HOOKPROC); 2] =
                [(WH_MOUSE_LL, Some(mouse)), (WH_KEYBOARD_LL, Some(key))];
            for (slot, (kind, call)) in hook.hooks.iter_mut().zip(kinds) {
                // SAFETY: the callback is a function of this library, which is never unloaded.
                *slot = unsafe { SetWindowsHookExW(kind, call, GetModuleHandleW(ptr::null()), 0) };
                if slot.is_null() {
                    return Err(io::Error::last_os_error());
                }
            }
            Ok(hook)
        }

        /// Waits for events or for [`wake`], and hands over what there is.
        pub fn wait(&self, mut each: impl FnMut(Seen)) -> io::Result<()> {
            // SAFETY: all zero is a message.
            let mut message: MSG = unsafe { std::mem::zeroed() };
            // SAFETY: `message` is writable; hooks are called from in here, on this thread.
            if unsafe { GetMessageW(&mut message, ptr::null_mut(), 0, 0) } == -1 {
                return Err(io::Error::last_os_error());
            }
            let timer = TIMER.take();
            if timer != 0 {
                // SAFETY: a timer of this thread without a window.
                unsafe { KillTimer(ptr::null_mut(), timer) };
            }
            SEEN.with_borrow_mut(|seen| seen.drain(..).for_each(&mut each));
            Ok(())
        }
    }

    impl Drop for Hook {
        fn drop(&mut self) {
            for hook in self.hooks.iter().filter(|hook| !hook.is_null()) {
                // SAFETY: set by `new` on this thread and not yet removed.
                unsafe { UnhookWindowsHookEx(*hook) };
            }
        }
    }

    fn see(seen: Seen) {
        SEEN.with_borrow_mut(|all| all.push(seen));
        if TIMER.get() == 0 {
            // SAFETY: no window and no callback: its message comes to this thread.
            TIMER.set(unsafe { SetTimer(ptr::null_mut(), 0, GATHER_MS, None) });
        }
    }

    unsafe extern "system" fn mouse(code: i32, message: WPARAM, data: LPARAM) -> LRESULT {
        if code >= 0 {
            // SAFETY: with a code that isn't negative `data` points to this struct until the call returns.
            let event = unsafe { &*(data as *const MSLLHOOKSTRUCT) };
            let injected = event.flags & LLMHF_INJECTED != 0;
            let (x, y) = (event.pt.x, event.pt.y);
            see(Seen::Mouse {
                time: mono_ns(),
                message: message as u32,
                x,
                y,
                data: event.mouseData,
                injected,
            });
        }
        // SAFETY: passes on what came, as every hook must.
        unsafe { CallNextHookEx(ptr::null_mut(), code, message, data) }
    }

    unsafe extern "system" fn key(code: i32, message: WPARAM, data: LPARAM) -> LRESULT {
        if code >= 0 {
            // SAFETY: as in `mouse`.
            let event = unsafe { &*(data as *const KBDLLHOOKSTRUCT) };
            let injected = event.flags & LLKHF_INJECTED != 0;
            see(Seen::Key {
                time: mono_ns(),
                key: event.vkCode,
                is_up: event.flags & LLKHF_UP != 0,
                injected,
            });
        }
        // SAFETY: as in `mouse`.
        unsafe { CallNextHookEx(ptr::null_mut(), code, message, data) }
    }

    /// The number of this thread, which from now on can be woken.
    pub fn thread() -> u32 {
        // SAFETY: all zero is a message; looking for one makes the thread's queue.
        unsafe {
            let mut message: MSG = std::mem::zeroed();
            PeekMessageW(&mut message, ptr::null_mut(), 0, 0, PM_NOREMOVE);
            GetCurrentThreadId()
        }
    }

    /// Ends [`Hook::wait`] of a thread.
    pub fn wake(thread: u32) {
        // SAFETY: only a number; a thread that is gone is an error that changes nothing.
        unsafe { PostThreadMessageW(thread, WM_APP, 0, 0) };
    }

    /// The character a key has without modifiers in the layout of the window in front.
    pub fn character(key: u32) -> Option<char> {
        const DEAD: u32 = 1 << 31;
        // SAFETY: takes and returns numbers; a null process pointer means it isn't asked for.
        let code = unsafe {
            let front = GetWindowThreadProcessId(GetForegroundWindow(), ptr::null_mut());
            MapVirtualKeyExW(key, MAPVK_VK_TO_CHAR, GetKeyboardLayout(front))
        };
        char::from_u32(code & !DEAD).filter(|character| *character != '\0')
    }

    /// The performance counter in nanoseconds.
    pub fn mono_ns() -> u64 {
        let (mut count, mut frequency) = (0, 1);
        // SAFETY: both are writable; neither fails since Windows XP.
        unsafe {
            QueryPerformanceFrequency(&mut frequency);
            QueryPerformanceCounter(&mut count);
        }
        (i128::from(count) * 1_000_000_000 / i128::from(frequency.max(1))) as u64
    }
}
